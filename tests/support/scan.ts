import type { EventStore } from '../../src/domain/kernel/event-store.ts'
import type { LogScan } from '../../src/domain/kernel/log-scan.ts'

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
