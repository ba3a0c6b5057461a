import type { Pool, PoolClient } from 'pg'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import type { Position } from '../../../domain/kernel/position.ts'
import { streamRef } from '../../../domain/kernel/stream.ts'
import { outboxChanges, type OutboxChange } from './outbox-changes.ts'
import { readKnown } from './outbox-table.ts'

type Sources = { readonly store: Pick<EventStore, 'readStream'>; readonly db: Pool | PoolClient }

/**
 * Most refusals of Meta come by webhook, long after the message was taken and left the outbox. Should somebody ask for another try then, its row is made
 * again from its own events: keeping a row per message for the days in which that may happen would make the outbox as large as the log.
 */
export async function withReturned(changes: readonly OutboxChange[], to: Position, { store, db }: Sources): Promise<readonly OutboxChange[]> {
  const asked = changes.filter(({ queued, gone, retried }) => retried !== undefined && queued === undefined && gone === undefined)
  if (asked.length === 0) return changes
  const known = await readKnown(db, asked)
  return Promise.all(changes.map(async (change) => (asked.includes(change) && !known.has(change.messageId) ? returned(change, to, store) : change)))
}

async function returned(change: OutboxChange, to: Position, store: Sources['store']): Promise<OutboxChange> {
  const events: RecordedEvent[] = []
  for await (const event of store.readStream(streamRef('conversation', change.tenantId, change.retried?.conversationId ?? ''))) {
    if (event.position > to) break
    if ((event.data as { messageId?: unknown }).messageId === change.messageId) events.push(event)
  }
  return outboxChanges(events)[0] ?? change
}
