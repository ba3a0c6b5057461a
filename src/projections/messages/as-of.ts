import { conversation } from '../../domain/conversation/conversation.ts'
import type { EventType } from '../../domain/catalogue.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { TenantLog } from '../../domain/kernel/event-store.ts'
import type { Position } from '../../domain/kernel/position.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { foldRows, viewOf } from '../engine/as-of.ts'
import { BadCursor } from '../engine/page.ts'
import { changesAsOf } from '../messageChanges/as-of.ts'
import { messages, type MessageRow } from './projection.ts'
import type { MessageView, Thread, ThreadFilter } from './queries.ts'

type Log = Pick<TenantLog, 'readStream'>
type At = { readonly tenantId: string; readonly position: Position }

/**
 * A page of a thread as it stood: what was there, in the order and with the statuses, reactions and edits of then. Pages go on as they do at present.
 * Undefined when the conversation did not exist. What a message answers is looked for in its own thread, where the phone lets one answer.
 * @throws BadCursor when `before` or `after` was no message of this conversation
 */
export async function threadAsOf(log: Log, { tenantId, position }: At, filter: ThreadFilter): Promise<Thread | undefined> {
  const events = await eventsOf(log, { tenantId, position }, filter.conversationId)
  if (events.length === 0) return undefined
  // Only these say what stands where. The statuses, most of the events by far, are folded for the messages of the page alone (28 ms instead of 47 for 1,000 messages).
  const placing = events.filter(({ type }) => placingTypes.has(type))
  const thread = [...foldRows(messages, placing).values()].filter(({ reactsTo }) => reactsTo === null).toSorted(newestFirst)
  const { found, next } = pageOf(thread, filter)
  return { rows: viewsOf(found, events), next }
}

const placingTypes: ReadonlySet<string> = new Set(['MessageReceived', 'MessageQueued', 'MessageRecorded', 'EchoRecognised'] satisfies EventType[])

/** One message as it stood; undefined when it was not there yet. */
export async function messageAsOf(
  log: Log,
  at: At,
  { id, conversationId }: { readonly id: string; readonly conversationId: string },
): Promise<MessageView | undefined> {
  return viewsOf([{ id }], await eventsOf(log, at, conversationId))[0]
}

const eventsOf = (log: Log, { tenantId, position }: At, conversationId: string): Promise<RecordedEvent[]> =>
  Array.fromAsync(log.readStream(streamRef(conversation.category, tenantId, conversationId), { asOf: position }))

/** As `threadQuery` sorts them. */
function newestFirst(a: MessageRow, b: MessageRow): number {
  const apart = b.threadAt.getTime() - a.threadAt.getTime()
  return apart === 0 ? Number(BigInt(b.position) - BigInt(a.position)) : apart
}

function pageOf(thread: readonly MessageRow[], { before, after, limit }: ThreadFilter): { found: readonly MessageRow[]; next: string | undefined } {
  const placeOf = (id: string): number => {
    const place = thread.findIndex((row) => row.id === id)
    if (place === -1) throw new BadCursor('not a message of this conversation')
    return place
  }
  const from = before === undefined ? 0 : placeOf(before) + 1
  const to = after === undefined ? thread.length : placeOf(after)
  const between = thread.slice(from, to)
  // With `after` the nearest ones, which are the last of them; newest first in every case.
  const found = after === undefined ? between.slice(0, limit) : between.slice(Math.max(0, between.length - limit))
  const last = after === undefined ? found.at(-1) : found[0]
  return { found, next: between.length > limit ? last?.id : undefined }
}

/** Those of the messages that there are, with what is joined to them. */
function viewsOf(found: readonly Pick<MessageRow, 'id'>[], events: readonly RecordedEvent[]): MessageView[] {
  const ofMessages = (ids: ReadonlySet<unknown>): ReadonlyMap<string, MessageRow> =>
    foldRows(
      messages,
      events.filter(({ data }) => ids.has(data['messageId'])),
    )
  const rows = ofMessages(new Set(found.map(({ id }) => id)))
  const replyTo = new Set<unknown>([...rows.values()].flatMap((row) => (row.replyTo === null ? [] : [row.replyTo])))
  const answered = ofMessages(new Set(events.flatMap(({ data }) => (replyTo.has(data['providerId']) ? [data['messageId']] : []))))
  const byProvider = new Map([...answered.values()].map(({ id, providerId }) => [providerId, id] as const))
  const changesOf = changesAsOf(events)
  return found.flatMap(({ id }) => {
    const row = rows.get(id)
    if (row === undefined) return []
    const replyToId = row.replyTo === null ? null : (byProvider.get(row.replyTo) ?? null)
    return [{ ...viewOf<Omit<MessageView, 'replyToId'>>(messages, row), ...changesOf(row.channelId, row.providerId), replyToId }]
  })
}
