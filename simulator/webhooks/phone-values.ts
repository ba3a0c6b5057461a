import type { Customer, Message, PhoneNumber } from '../world/world.ts'

/** The `value` objects of a number that stays on the business app of a phone: echoes, history, address book. */
type Value = Record<string, unknown>

const seconds = (at: number): string => Math.floor(at / 1000).toString()
const scope = (number: PhoneNumber): Value => ({
  messaging_product: 'whatsapp',
  metadata: { display_phone_number: number.digits, phone_number_id: number.id },
})

/** Written on the phone of the business. */
export const echoValue = (number: PhoneNumber, customer: Customer, message: Message): Value => ({
  ...scope(number),
  contacts: [{ ...(!customer.hidden && { wa_id: customer.wa_id }), user_id: customer.bsuid }],
  message_echoes: [
    {
      from: number.digits,
      ...(!customer.hidden && { to: customer.wa_id }),
      to_user_id: customer.bsuid,
      id: message.id,
      timestamp: seconds(message.at),
      type: message.type,
      [message.type]: message.object,
    },
  ],
})

const historyStatuses: Readonly<Record<string, string>> = { sent: 'SENT', delivered: 'DELIVERED', read: 'READ', played: 'PLAYED', failed: 'ERROR' }
const media = new Set(['image', 'video', 'audio', 'document', 'sticker'])

export type HistoryThread = { readonly customer: Customer; readonly messages: readonly Message[] }

/** One chunk. Media stand as placeholders; their bodies follow in `historyMediaValue`. */
export function historyValue(number: PhoneNumber, threads: readonly HistoryThread[], chunk: { order: number; progress: number }): Value {
  return {
    ...scope(number),
    history: [
      {
        metadata: { phase: 0, chunk_order: chunk.order, progress: chunk.progress },
        threads: threads.map(({ customer, messages }) => ({
          ...(!customer.hidden && { id: customer.wa_id }),
          context: {
            ...(!customer.hidden && { wa_id: customer.wa_id }),
            user_id: customer.bsuid,
            ...(customer.username !== undefined && { username: customer.username }),
          },
          messages: messages.map((message) => {
            const placeholder = media.has(message.type)
            return {
              ...parties(number, customer, message),
              type: placeholder ? 'media_placeholder' : message.type,
              ...(!placeholder && { [message.type]: message.object }),
              ...(message.direction === 'business' && { history_context: { status: historyStatuses[message.status] ?? 'PENDING' } }),
            }
          }),
        })),
      },
    ],
  }
}

export const historyMediaValue = (number: PhoneNumber, { customer, messages }: HistoryThread): Value => ({
  ...scope(number),
  messages: messages
    .filter(({ type }) => media.has(type))
    .map((message) => ({ ...parties(number, customer, message), type: message.type, [message.type]: message.object })),
})

/** The owner of the phone does not share it. */
export const historyDeclinedValue = (number: PhoneNumber): Value => ({
  ...scope(number),
  history: [
    {
      errors: [
        {
          code: 2593109,
          title: 'History sharing is turned off by the business',
          message: 'History sharing is turned off by the business',
          error_data: { details: 'History sharing is turned off by the business from the WhatsApp Business App' },
        },
      ],
    },
  ],
})

export const addressBookValue = (number: PhoneNumber, customers: readonly Customer[], at: number): Value => ({
  ...scope(number),
  state_sync: customers.map(({ name, wa_id, bsuid, username, hidden }) => ({
    type: 'contact',
    contact: {
      full_name: name,
      first_name: name.split(' ')[0],
      ...(!hidden && { phone_number: wa_id }),
      user_id: bsuid,
      ...(username !== undefined && { username }),
    },
    action: 'add',
    metadata: { timestamp: seconds(at) },
  })),
})

function parties(number: PhoneNumber, customer: Customer, message: Message): Value {
  const facts = { id: message.id, timestamp: seconds(message.at) }
  if (message.direction === 'customer') return { ...(!customer.hidden && { from: customer.wa_id }), from_user_id: customer.bsuid, ...facts }
  return { from: number.digits, ...(!customer.hidden && { to: customer.wa_id }), to_user_id: customer.bsuid, ...facts }
}
