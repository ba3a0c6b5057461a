import { z } from 'zod'
import { bsuid, graphId, phoneDigits, wamid } from '../wire/ids.ts'
import { inboundValue } from '../webhooks/values.ts'
import type { Sim } from '../sim.ts'
import { takeThroughput } from './limits.ts'
import { advance } from './statuses.ts'
import { findCustomer, putCustomer, putMedium, putMessage, threadOf, type Customer, type Message, type PhoneNumber } from './world.ts'
import { createHash } from 'node:crypto'

const phone = z.string().transform((text, context) => {
  const digits = phoneDigits(text)
  if (digits !== undefined) return digits
  context.addIssue({ code: 'custom', message: 'not a phone number' })
  return z.NEVER
})

const customerInput = z.strictObject({
  phone,
  name: z.string().min(1).max(200).optional(),
  wa_id: z.string().regex(/^\d+$/).optional(),
  bsuid: z
    .string()
    .regex(/^[A-Z]{2}\.[A-Za-z0-9.]{1,128}$/)
    .optional(),
  username: z.string().min(1).max(60).optional(),
  hidden: z.boolean().optional(),
  auto_read: z.boolean().optional(),
  read_receipts: z.boolean().optional(),
  on_whatsapp: z.boolean().optional(),
})
export type CustomerInput = z.input<typeof customerInput>

/** Creates the customer, or changes what is given. */
export function saveCustomer(sim: Sim, input: CustomerInput): Customer {
  const given = customerInput.parse(input)
  const { phone } = given
  const before = sim.world.customers.get(phone) ?? {
    phone,
    wa_id: phone,
    name: `Customer ${phone.slice(-4)}`,
    bsuid: bsuid(phone),
    hidden: false,
    read_receipts: true,
    on_whatsapp: true,
  }
  const changes = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  return putCustomer(sim.world, { ...before, ...changes })
}

/** What a customer may write. Any type goes: the object is passed on as given, so that tests can play types of tomorrow. */
const customerMessage = z
  .looseObject({
    phone_number_id: z.string().optional(),
    type: z.string().min(1).optional(),
    id: z.string().optional(),
    timestamp: z.number().optional(),
    context: z.looseObject({ message_id: z.string() }).optional(),
    text: z.union([z.string(), z.looseObject({ body: z.string() })]).optional(),
    /** Siblings of the object of the type: `referral`, `errors`, `identity` … */
    extra: z.record(z.string(), z.unknown()).optional(),
  })
  .refine((message) => message.type === undefined || message.type === 'unsupported' || message[message.type] !== undefined, {
    error: 'the object of that type is missing',
  })
export type CustomerMessageInput = z.input<typeof customerMessage>

const inlineMedia = z.looseObject({ data_base64: z.base64(), mime_type: z.string() })
const sevenDays = 7 * 24 * 3_600_000
const fiveMinutes = 5 * 60_000

/** The customer writes to a number of the business. An unknown customer is created. */
export function customerWrites(sim: Sim, phoneText: string, input: CustomerMessageInput, publicUrl: string): Message {
  const given = customerMessage.parse(input)
  const number = pickNumber(sim, given.phone_number_id)
  const digits = phone.parse(phoneText)
  const customer = findCustomer(sim.world, digits) ?? saveCustomer(sim, { phone: digits })
  const type = given.type ?? 'text'
  const message: Message = {
    id: given.id ?? wamid(customer.phone, 'customer'),
    direction: 'customer',
    phone_number_id: number.id,
    customer: customer.phone,
    type,
    object: objectOf(sim, number, type, given, publicUrl),
    context_id: given.context?.message_id,
    at: given.timestamp === undefined ? Date.now() : given.timestamp * 1000,
    status: 'received',
  }
  const thread = putMessage(sim.world, message)
  thread.last_inbound_at = Math.max(thread.last_inbound_at ?? 0, message.at)
  // Inbound counts towards the limit of the number; it is never refused for it.
  takeThroughput(number, sim.switches.throughput_per_second, Date.now())
  sim.events.publish('message', () => ({ message }))
  sim.outbox.push({
    waba_id: number.waba_id,
    phone_number_id: number.id,
    field: 'messages',
    value: inboundValue(number, customer, message, given.extra ?? {}),
  })
  return message
}

function pickNumber(sim: Sim, id: string | undefined): PhoneNumber {
  const number = id === undefined ? sim.world.numbers.values().next().value : sim.world.numbers.get(id)
  if (!number) throw new Error(id === undefined ? 'there is no business number yet' : `there is no business number ${id}`)
  return number
}

function objectOf(sim: Sim, number: PhoneNumber, type: string, given: z.output<typeof customerMessage>, publicUrl: string): unknown {
  if (type === 'text') return typeof given.text === 'string' ? { body: given.text } : given.text
  const media = inlineMedia.safeParse(given[type])
  if (!media.success) return given[type]
  const { data_base64, mime_type, ...rest } = media.data
  const bytes = Buffer.from(data_base64, 'base64')
  const sha256 = createHash('sha256').update(bytes).digest()
  const id = graphId()
  putMedium(sim.world, { id, phone_number_id: number.id, mime_type, bytes, sha256, expires_at: Date.now() + sevenDays }, sim.limits)
  return { id, mime_type, sha256: sha256.toString('base64'), url: mediaUrl(publicUrl, id, 'webhook'), ...rest }
}

/** A link as Meta gives it: it works for five minutes, with the token. */
export const mediaUrl = (publicUrl: string, id: string, source: 'webhook' | 'getMedia'): string =>
  `${publicUrl}/whatsapp_business/attachments/?mid=${id}&source=${source}&ext=${Math.floor((Date.now() + fiveMinutes) / 1000)}&hash=A${id}`

/** The customer opens the chat: every business message in it is read, if the customer sends read receipts. Returns how many were. */
export function customerReads(sim: Sim, phoneText: string, numberId: string): number {
  const customer = findCustomer(sim.world, phoneDigits(phoneText) ?? phoneText)
  if (!customer?.read_receipts) return 0
  let read = 0
  for (const id of threadOf(sim.world, numberId, customer.phone).recent) {
    const message = sim.world.messages.get(id)
    if (message?.direction !== 'business' || !['accepted', 'sent', 'delivered'].includes(message.status)) continue
    advance(sim, message, 'read')
    read += 1
  }
  return read
}

/** The business read a customer's message: the earlier ones of the chat count as read too. */
export function businessReads(sim: Sim, message: Message, typing: boolean): void {
  for (const id of threadOf(sim.world, message.phone_number_id, message.customer).recent) {
    const earlier = sim.world.messages.get(id)
    if (earlier?.direction !== 'customer') continue
    earlier.status = 'read'
    if (id === message.id) break
  }
  message.status = 'read'
  sim.events.publish('business_read', () => ({ id: message.id, customer: message.customer, phone_number_id: message.phone_number_id }))
  if (typing) sim.events.publish('typing', () => ({ customer: message.customer, phone_number_id: message.phone_number_id }))
}
