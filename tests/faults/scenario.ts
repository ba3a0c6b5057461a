import { createHmac } from 'node:crypto'

/**
 * A load whose end is known beforehand: messages and statuses, repeated, shuffled and re-batched at random, and what every read model must show after it,
 * whatever was killed in between.
 */
export type Outgoing = { readonly wamid: string; readonly callbackData: string; readonly phone: string }

export type Expected = {
  /** Inbound provider ids by customer phone. */
  readonly inbound: Map<string, Set<string>>
  /** Statuses by the provider id of the outgoing message. */
  readonly statuses: Map<string, Set<string>>
}

const startedAt = Math.floor(Date.now() / 1000) - 3_600
const all = ['sent', 'delivered', 'read', 'failed'] as const
const rank: Readonly<Record<string, number>> = { sent: 1, failed: 2, delivered: 3, read: 4, played: 5 }

export const furthest = (statuses: Iterable<string>): string | undefined =>
  [...statuses].reduce<string | undefined>((best, one) => ((rank[one] ?? 0) > (rank[best ?? ''] ?? 0) ? one : best), undefined)

/** Small, seedable and good enough to shuffle with (mulberry32): a failing run can be repeated by its seed. */
export function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

export function createScenario({
  seed,
  phoneNumberId,
  phones,
  secret,
}: {
  seed: number
  phoneNumberId: string
  phones: readonly string[]
  secret: string
}) {
  const random = randomFrom(seed)
  const expected: Expected = { inbound: new Map(phones.map((phone) => [phone, new Set()])), statuses: new Map() }
  let serial = 0
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T

  function shuffled<T>(items: readonly T[]): T[] {
    const result = [...items]
    for (let i = result.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1))
      ;[result[i], result[j]] = [result[j] as T, result[i] as T]
    }
    return result
  }

  /** One delivery: its bytes and signature. */
  function deliver(items: readonly object[]): { body: string; signature: string } {
    const messages = items.filter((item) => 'type' in item)
    const statuses = items.filter((item) => 'status' in item)
    const value = { messaging_product: 'whatsapp', metadata: { phone_number_id: phoneNumberId }, messages, statuses }
    const body = JSON.stringify({ object: 'whatsapp_business_account', entry: [{ id: 'waba', changes: [{ field: 'messages', value }] }] })
    return { body, signature: `sha256=${createHmac('sha256', secret).update(body).digest('hex')}` }
  }

  function message(phone: string): object {
    const id = `wamid.in.${seed}.${serial++}`
    expected.inbound.get(phone)?.add(id)
    return { from: phone, id, timestamp: String(startedAt + serial), type: 'text', text: { body: `message ${serial} ñ 👋` } }
  }

  /** A part of the journey of an outgoing message; what was said before may be said again. */
  function statusesOf({ wamid, callbackData, phone }: Outgoing): object[] {
    const reported = expected.statuses.get(wamid) ?? new Set()
    expected.statuses.set(wamid, reported)
    return all.flatMap((status) => {
      if (random() < 0.5) return []
      reported.add(status)
      const callback = random() < 0.7 ? { biz_opaque_callback_data: callbackData } : {}
      const errors = status === 'failed' ? { errors: [{ code: 131026, title: 'Message undeliverable' }] } : {}
      return [{ id: wamid, status, timestamp: String(startedAt + (rank[status] ?? 0)), recipient_id: phone, ...callback, ...errors }]
    })
  }

  return {
    expected,
    random,
    /** Deliveries of about `count` items, each item once or twice, in any company and order; some whole deliveries come again byte for byte. */
    chunk(count: number, outgoing: readonly Outgoing[]): { body: string; signature: string }[] {
      const items: object[] = []
      while (items.length < count) {
        if (outgoing.length > 0 && random() < 0.4) items.push(...statusesOf(pick(outgoing)))
        else items.push(message(pick(phones)))
      }
      const repeated = shuffled([...items, ...items.filter(() => random() < 0.5)])
      const deliveries: { body: string; signature: string }[] = []
      while (repeated.length > 0) deliveries.push(deliver(repeated.splice(0, 1 + Math.floor(random() * 8))))
      return shuffled([...deliveries, ...deliveries.filter(() => random() < 0.2)])
    },
    opening: (phone: string): { body: string; signature: string } => deliver([message(phone)]),
  }
}
