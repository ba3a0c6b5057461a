import type { Pool } from 'pg'
import type { EventsAt } from '../../../domain/kernel/event-places.ts'
import { inTenant } from '../../../postgres/transaction.ts'
import { readStreamHeads } from './read-log.ts'

/** One statement for all of them, each a look into the streams' unique index. By connections of the role `recado_api`. */
export const createEventsAt =
  (pool: Pool): EventsAt =>
  async (tenantId, places) => {
    if (places.length === 0) return []
    const heads = await readStreamHeads(
      ({ values, ...statement }) => inTenant(pool, tenantId, statement, values),
      places.map(({ stream, version }) => ({ stream, after: version - 1 })),
      1,
    )
    return heads.map(([event], nth) => (event?.version === places[nth]?.version ? event : undefined))
  }
