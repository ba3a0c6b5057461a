import { webhookError } from '../wire/graph-error.ts'
import type { StatusName } from '../world/switches.ts'
import type { Customer, Message, PhoneNumber } from '../world/world.ts'

/** The `value` objects of the field `messages`, as of Graph v26. Timestamps in it are strings of Unix seconds. */
type Value = Record<string, unknown>

const seconds = (at: number): string => Math.floor(at / 1000).toString()
const metadata = (number: PhoneNumber): Value => ({ display_phone_number: number.digits, phone_number_id: number.id })

/** A hidden phone is left out, not empty. `username` comes with messages, `delivered` and `read`, but not with `sent`. */
const contact = (customer: Customer, phoneKnown: boolean, withUsername: boolean): Value => ({
  profile: { name: customer.name, ...(withUsername && customer.username !== undefined && { username: customer.username }) },
  ...(phoneKnown && { wa_id: customer.wa_id }),
  user_id: customer.bsuid,
})

export function inboundValue(number: PhoneNumber, customer: Customer, message: Message, extra: Value): Value {
  const shown = !customer.hidden
  return {
    messaging_product: 'whatsapp',
    metadata: metadata(number),
    contacts: [contact(customer, shown, true)],
    messages: [
      {
        ...(message.context_id !== undefined && { context: { from: number.digits, id: message.context_id } }),
        ...(shown && { from: customer.wa_id }),
        from_user_id: customer.bsuid,
        id: message.id,
        timestamp: seconds(message.at),
        type: message.type,
        [message.type]: message.object,
        ...extra,
      },
    ],
  }
}

type Pricing = { readonly category: string; readonly free: boolean }

type StatusFacts = { readonly status: StatusName; readonly pricing?: Pricing | undefined; readonly details?: string | undefined }

/** `failed` carries no contacts, and the user id only when the message was addressed to it. */
export function statusValue(number: PhoneNumber, customer: Customer, message: Message, { status, pricing, details }: StatusFacts): Value {
  const byUserId = message.addressed_by === 'recipient'
  // A phone the business wrote to in the last 30 days is shown to it, hidden or not.
  const phoneKnown = !customer.hidden || !byUserId
  const failed = status === 'failed'
  return {
    messaging_product: 'whatsapp',
    metadata: metadata(number),
    ...(!failed && { contacts: [contact(customer, phoneKnown, status !== 'sent')] }),
    statuses: [
      {
        id: message.id,
        status,
        timestamp: seconds(Date.now()),
        ...(phoneKnown && { recipient_id: customer.wa_id }),
        ...((!failed || byUserId) && { recipient_user_id: customer.bsuid }),
        ...(message.callback_data !== undefined && { biz_opaque_callback_data: message.callback_data }),
        ...(pricing && {
          pricing: {
            billable: !pricing.free,
            pricing_model: 'PMP',
            type: pricing.free ? 'free_customer_service' : 'regular',
            category: pricing.category,
          },
        }),
        ...(failed && { errors: [webhookError(message.error_code ?? 131000, details)] }),
      },
    ],
  }
}
