import { z } from 'zod'
import type { Sim } from '../sim.ts'
import { phoneDigits, wamid } from '../wire/ids.ts'
import { echoValue } from '../webhooks/phone-values.ts'
import { saveCustomer } from './customers.ts'
import { findCustomer, putMessage, type Message, type PhoneNumber } from './world.ts'

/** What somebody writes on the phone of the business. Any type goes, as with customers. */
const phoneMessage = z
  .looseObject({
    to: z.string(),
    type: z.string().min(1).default('text'),
    id: z.string().optional(),
    timestamp: z.number().optional(),
    text: z.union([z.string(), z.looseObject({ body: z.string() })]).optional(),
  })
  .refine((message) => message[message.type] !== undefined, { error: 'the object of that type is missing' })
export type PhoneMessageInput = z.input<typeof phoneMessage>

/** The business writes to a customer on its phone: the Cloud API tells it by an echo. */
export function phoneWrites(sim: Sim, number: PhoneNumber, input: PhoneMessageInput): Message {
  const given = phoneMessage.parse(input)
  if (number.business_app === undefined) throw new Error('the number is not on the WhatsApp Business app')
  const digits = phoneDigits(given.to) ?? given.to
  const customer = findCustomer(sim.world, digits) ?? saveCustomer(sim, { phone: digits })
  const object = given.type === 'text' && typeof given.text === 'string' ? { body: given.text } : given[given.type]
  const message: Message = {
    id: given.id ?? wamid(customer.phone, 'business'),
    direction: 'business',
    phone_number_id: number.id,
    customer: customer.phone,
    type: given.type,
    object,
    at: given.timestamp === undefined ? Date.now() : given.timestamp * 1000,
    status: 'sent',
  }
  putMessage(sim.world, message)
  const value = echoValue(number, customer, message)
  sim.outbox.push({ waba_id: number.waba_id, phone_number_id: number.id, field: 'smb_message_echoes', value })
  sim.events.publish('message', () => ({ message }))
  return message
}
