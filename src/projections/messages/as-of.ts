import { conversation } from '../../domain/conversation/conversation.ts'
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
  const rows = foldRows(messages, events)
  const thread = [...rows.values()].filter(({ reactsTo }) => reactsTo === null).toSorted(newestFirst)
  const { found, next } = pageOf(thread, filter)
  return { rows: viewsOf(found, rows, events), next }
}

/** One message as it stood; undefined when it was not there yet. */
export async function messageAsOf(
  log: Log,
  at: At,
  { id, conversationId }: { readonly id: string; readonly conversationId: string },
): Promise<MessageView | undefined> {
  const events = await eventsOf(log, at, conversationId)
  const rows = foldRows(messages, events)
  const row = rows.get(id)
  return row === undefined ? undefined : viewsOf([row], rows, events)[0]
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

function viewsOf(found: readonly MessageRow[], rows: ReadonlyMap<string, MessageRow>, events: readonly RecordedEvent[]): MessageView[] {
  const changesOf = changesAsOf(events)
  const byProvider = new Map([...rows.values()].flatMap(({ id, providerId }) => (providerId === null ? [] : [[providerId, id] as const])))
  return found.map((row) => ({
    ...viewOf<Omit<MessageView, 'replyToId'>>(messages, row),
    ...changesOf(row.channelId, row.providerId),
    replyToId: (row.replyTo === null ? undefined : byProvider.get(row.replyTo)) ?? null,
  }))
}
