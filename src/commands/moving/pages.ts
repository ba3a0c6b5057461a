import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import type { Position } from '../../domain/kernel/position.ts'

const mostEvents = 1_000
const wantedBytes = 8 * 1024 * 1024

/** The log from a place to its present end, with bodies, in pages of about `wantedBytes`: raw deliveries are a few hundred bytes, or three megabytes. */
export async function* pagesOf(
  store: EventStore,
  after: Position,
  signal?: AbortSignal,
): AsyncGenerator<{ events: readonly RecordedEvent[]; through: Position }> {
  let from = after
  let limit = 100
  for (;;) {
    if (signal?.aborted === true) return
    const page = await store.readAll({ after: from, limit, attachments: true })
    if (page.events.length > 0) yield page
    // Short of a page the end was reached; what has been appended meanwhile is for the next look.
    if (page.events.length < limit) return
    from = page.through
    const each = page.events.reduce((sum, { attachment }) => sum + 1_000 + (attachment?.byteLength ?? 0), 0) / page.events.length
    limit = Math.max(1, Math.min(mostEvents, Math.floor(wantedBytes / each)))
  }
}

/** Event by event, with the position behind it; pages are fetched as they are needed. */
export async function* eventsOf(store: EventStore, after: Position): AsyncGenerator<RecordedEvent> {
  for await (const { events } of pagesOf(store, after)) yield* events
}
