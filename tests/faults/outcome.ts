import { setTimeout as sleep } from 'node:timers/promises'
import { furthest, type Expected, type Outgoing } from './scenario.ts'

export type Page<T> = { readonly data: readonly T[]; readonly next_cursor: string | null }
export type Every = <T>(path: string) => Promise<T[]>

type Checked = {
  readonly every: Every
  /** How many different deliveries were acknowledged. */
  readonly acknowledged: number
  readonly expected: Expected
  readonly phones: readonly string[]
  /** What is found wrong is put in here. */
  readonly wrong: string[]
  /** What a message may be instead of sent, of which nothing was reported. */
  readonly mayBe?: ReadonlySet<string>
}

/** What must be true after a scenario, whatever was killed meanwhile: in the log each delivery and message once, in the read models what was told of them. */
export async function checkOutcome({
  every,
  acknowledged,
  expected,
  phones,
  wrong,
  mayBe = new Set(),
}: Checked): Promise<{ messages: number; statuses: number }> {
  const received = await every<{ id: string }>('/v1/events?type=WebhookReceived')
  if (received.length !== acknowledged) wrong.push(`${acknowledged} different deliveries were acknowledged, ${received.length} are in the log`)
  const taken = await every<{ data: { provider_id: string } }>('/v1/events?type=MessageReceived')
  const ids = taken.map(({ data }) => data.provider_id)
  if (new Set(ids).size !== ids.length) wrong.push(`${ids.length - new Set(ids).size} messages are in the log twice`)
  const expectedIds = new Set([...expected.inbound.values()].flatMap((set) => [...set]))
  for (const id of expectedIds.difference(new Set(ids))) wrong.push(`message ${id} is not in the log`)

  const conversations = await every<{ id: string; unread_count: number; contact: { wa_id: string } }>('/v1/conversations')
  if (conversations.length !== phones.length) wrong.push(`${conversations.length} conversations instead of ${phones.length}`)
  let statuses = 0
  for (const { id, unread_count: unread, contact } of conversations) {
    const should = expected.inbound.get(contact.wa_id)?.size ?? 0
    if (unread !== should) wrong.push(`conversation of ${contact.wa_id}: ${unread} unread instead of ${should}`)
    const messages = await every<{ direction: string; provider_id?: string; status: string; status_history: { status: string }[] }>(
      `/v1/conversations/${id}/messages`,
    )
    const inbound = messages.filter(({ direction }) => direction === 'inbound')
    if (inbound.length !== should) wrong.push(`conversation of ${contact.wa_id}: ${inbound.length} messages instead of ${should}`)
    for (const message of messages) {
      if (message.direction !== 'outbound') continue
      const reports = expected.statuses.get(message.provider_id ?? '') ?? new Set<string>()
      statuses += reports.size
      const best = furthest(['sent', ...reports])
      if (message.status !== best && !(reports.size === 0 && mayBe.has(message.status)))
        wrong.push(`message ${message.provider_id}: ${message.status} instead of ${best}`)
      const history = new Set(message.status_history.map(({ status }) => status))
      wrong.push(
        ...[...reports].filter((report) => !history.has(report)).map((report) => `message ${message.provider_id}: the report of ${report} is lost`),
      )
    }
  }
  return { messages: ids.length, statuses }
}

type Asking = {
  post: (path: string, body: unknown) => Promise<unknown>
  every: Every
  simulator: { sentMessages: () => readonly { id: string; callback_data?: string | undefined; customer: string }[] }
}

/** Five answers in each conversation, until the provider has all of them: their ids are what statuses will speak of. */
export async function answerEverybody({ post, every, simulator }: Asking): Promise<Outgoing[]> {
  const conversations = await every<{ id: string }>('/v1/conversations')
  for (const { id } of conversations) for (let n = 0; n < 5; n++) await post(`/v1/conversations/${id}/messages`, { text: `answer ${n}` })
  const wanted = conversations.length * 5
  for (let tries = 0; simulator.sentMessages().length < wanted; tries++) {
    if (tries > 300) throw new Error(`the provider has ${simulator.sentMessages().length} of ${wanted} answers`)
    await sleep(100)
  }
  return simulator.sentMessages().map(({ id, callback_data: callbackData = '', customer: phone }) => ({ wamid: id, callbackData, phone }))
}

export const lanes = <T>(items: readonly T[], count: number): T[][] =>
  Array.from({ length: count }, (_, lane) => items.filter((_item, index) => index % count === lane))
