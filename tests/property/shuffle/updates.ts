/** A webhook update on its own: one element of `changes[]`. */
export type Update = { readonly field: string; readonly value: Readonly<Record<string, unknown>> }

/** Whole numbers below `n`, the same ones for the same seed (mulberry32). */
export function randomness(seed: number): (n: number) => number {
  let state = seed >>> 0
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * n)
  }
}

export function shuffled<T>(items: readonly T[], below: (n: number) => number): T[] {
  const all = [...items]
  for (let i = all.length - 1; i > 0; i--) {
    const j = below(i + 1)
    const [a, b] = [all[i] as T, all[j] as T]
    all[i] = b
    all[j] = a
  }
  return all
}

export function inBatches<T>(items: readonly T[], below: (n: number) => number, most = 1_000): T[][] {
  const batches: T[][] = []
  for (let from = 0; from < items.length;) {
    const size = 1 + below(most)
    batches.push(items.slice(from, from + size))
    from += size
  }
  return batches
}

const business = '15550001111'
const begin = 1_760_000_000

type Customer = { readonly wa_id?: string; readonly user_id: string; readonly profile: { readonly name: string } }
type Known = { readonly id: string; readonly by: 'contact' | 'phone'; readonly customer: Customer }

/**
 * `count` updates or a few more: mixed traffic of one number, in the order in which it happened: messages of all sorts, echoes of the phone, history and media that come after it,
 * statuses, reactions put and taken back, edits and revokes. A tenth of the customers hide their phone. Each moment is its own second, so nothing is
 * at the same time as anything else; what a person is called never changes.
 */
export function generateUpdates(count: number, seed: number, phoneNumberId: string): Update[] {
  const below = randomness(seed)
  const metadata = { display_phone_number: business, phone_number_id: phoneNumberId }
  const customers = Array.from({ length: Math.max(5, Math.floor(count / 100)) }, (_, n): Customer => {
    const user_id = `US.${1_000_000 + n}`
    const profile = { name: `Customer ${n}` }
    return n % 10 === 9 ? { user_id, profile } : { wa_id: String(15_551_000_000 + n), user_id, profile }
  })
  const messages: Known[] = []
  const updates: Update[] = []
  let clock = begin
  const scoped = (value: object, field = 'messages'): void => {
    updates.push({ field, value: { messaging_product: 'whatsapp', metadata, ...value } })
  }
  const pick = <T>(items: readonly T[]): T | undefined => items[below(items.length)]
  /** Mostly of late, sometimes of long ago. */
  const someMessage = (): Known | undefined =>
    below(10) === 0 ? pick(messages) : messages[messages.length - 1 - below(Math.min(messages.length, 200))]
  const sides = ({ wa_id, user_id }: Customer, by: 'contact' | 'phone'): object =>
    by === 'contact'
      ? { ...(wa_id !== undefined && { from: wa_id }), from_user_id: user_id }
      : { from: business, ...(wa_id !== undefined && { to: wa_id }), to_user_id: user_id }
  const say = (customer: Customer, by: 'contact' | 'phone', message: object, id = `wamid.${updates.length}`): string => {
    const whole = { ...sides(customer, by), id, timestamp: String(clock), ...message }
    if (by === 'contact') scoped({ contacts: [customer], messages: [whole] })
    else scoped({ contacts: [customer], message_echoes: [whole] }, 'smb_message_echoes')
    return id
  }

  while (updates.length < count) {
    clock += 1
    const dice = below(100)
    const known = someMessage()
    const customer = known !== undefined && below(3) > 0 ? known.customer : (pick(customers) as Customer)
    if (known === undefined || dice < 40) {
      const by = below(4) === 0 ? 'phone' : 'contact'
      messages.push({ id: say(customer, by, body(below, updates.length)), by, customer })
    } else if (dice < 65) {
      const status = (['sent', 'delivered', 'read', 'played', 'failed'] as const)[below(5)] ?? 'sent'
      if (known.by === 'phone') scoped(statusOf(known, status, clock))
    } else if (dice < 80) {
      say(known.customer, below(2) === 0 ? 'phone' : 'contact', {
        type: 'reaction',
        reaction: { message_id: known.id, ...(below(4) === 0 ? {} : { emoji: pick(['👍', '❤️', '😂']) }) },
      })
    } else if (dice < 88) {
      const message = { type: 'text', text: { body: `edited at ${clock}` } }
      say(known.customer, known.by, { type: 'edit', edit: { original_message_id: known.id, message } })
    } else if (dice < 92) {
      say(known.customer, known.by, { type: 'revoke', revoke: { original_message_id: known.id } })
    } else if (dice < 97) {
      for (const update of history(customer, `wamid.H${updates.length}`, { below, metadata, clock })) updates.push(update)
    } else {
      const again = pick(updates)
      if (again !== undefined) updates.push(again)
    }
  }
  return updates
}

function body(below: (n: number) => number, n: number): object {
  switch (below(8)) {
    case 0:
      return { type: 'image', image: { id: `9${n}`, mime_type: 'image/jpeg', sha256: 'b64=', caption: `picture ${n}` } }
    case 1:
      return {
        type: 'interactive',
        context: { id: `wamid.${below(n + 1)}` },
        interactive: { type: 'button_reply', button_reply: { id: 'yes', title: 'Yes' } },
      }
    case 2:
      return { type: 'location', location: { latitude: 4.61, longitude: -74.08 } }
    case 3:
      return { type: 'unsupported', errors: [{ code: 131051, title: 'Message type unknown' }] }
    case 4:
      return { type: 'type_of_tomorrow', type_of_tomorrow: { n } }
    default:
      return { type: 'text', text: { body: `message ${n} 👋` } }
  }
}

/** What a status says of its message is the same whenever it comes: its moment and reason follow from the two. */
function statusOf({ id, customer }: Known, status: string, clock: number): object {
  const moment = begin + Number(id.replace(/\D/g, '')) + { sent: 1, delivered: 2, read: 3, played: 4, failed: 5 }[status as 'sent']
  return {
    ...(status !== 'failed' && { contacts: [customer] }),
    statuses: [
      {
        id,
        status,
        timestamp: String(Math.min(moment, clock + 1_000_000)),
        recipient_user_id: customer.user_id,
        ...(status === 'failed' ? { errors: [{ code: 131026, title: 'Message undeliverable' }] } : {}),
        ...(status === 'delivered' ? { pricing: { billable: true, pricing_model: 'PMP', type: 'regular', category: 'service' } } : {}),
      },
    ],
  }
}

/** Two old messages and a place for a third, which comes in an update of its own. */
function history(
  customer: Customer,
  id: string,
  { below, metadata, clock }: { below: (n: number) => number; metadata: object; clock: number },
): Update[] {
  const { wa_id, user_id } = customer
  const at = (n: number): string => String(clock - 10_000_000 + n)
  const theirs = { ...(wa_id !== undefined && { from: wa_id }), from_user_id: user_id }
  const ours = { from: business, ...(wa_id !== undefined && { to: wa_id }), to_user_id: user_id }
  const messages = [
    { ...theirs, id: `${id}a`, timestamp: at(0), type: 'text', text: { body: 'long ago' } },
    {
      ...ours,
      id: `${id}b`,
      timestamp: at(1),
      type: 'text',
      text: { body: 'answer' },
      history_context: { status: below(2) === 0 ? 'READ' : 'DELIVERED' },
    },
    { ...theirs, id: `${id}c`, timestamp: at(2), type: 'media_placeholder' },
  ]
  const threads = [{ ...(wa_id !== undefined && { id: wa_id }), context: { ...(wa_id !== undefined && { wa_id }), user_id }, messages }]
  const late = { ...theirs, id: `${id}c`, timestamp: at(2), type: 'image', image: { id: `8${clock}`, mime_type: 'image/jpeg' } }
  const value = { messaging_product: 'whatsapp', metadata }
  return [
    { field: 'history', value: { ...value, contacts: [customer], history: [{ metadata: { phase: 0, chunk_order: 1, progress: 1 }, threads }] } },
    { field: 'history', value: { ...value, contacts: [customer], messages: [late] } },
  ]
}
