import type { EventStore } from '../../src/domain/kernel/event-store.ts'
import type { LogIndex } from '../../src/domain/kernel/log-index.ts'
import type { LogScan } from '../../src/domain/kernel/log-scan.ts'
import { start } from '../../src/domain/kernel/position.ts'

/** A scan of any store, page by page: for stores without a faster one. */
export const scanOf = (store: Pick<EventStore, 'readAll'>, pageSize = 500): LogScan =>
  async function* scan({ after, through, types, tenantId, signal }) {
    for (let position = after; position < through;) {
      signal?.throwIfAborted()
      const filter = { ...(types === undefined ? {} : { types }), ...(tenantId === undefined ? {} : { tenantId }) }
      const page = await store.readAll({ after: position, limit: pageSize, filter })
      position = page.through < through ? page.through : through
      yield { events: page.events.filter((event) => event.position <= through), through: position }
    }
  }

/** What rebuilds count, of a store whose positions are dense. */
export const indexOf = (store: Pick<EventStore, 'readAll'>): Pick<LogIndex, 'eventsOf'> => ({
  async eventsOf(tenantId, through) {
    if (tenantId === undefined) return Number(through)
    let events = 0
    for await (const page of scanOf(store)({ after: start, through, tenantId })) events += page.events.length
    return events
  },
})
