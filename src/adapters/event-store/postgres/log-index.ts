import type { Pool } from 'pg'
import type { LogIndex } from '../../../domain/kernel/log-index.ts'
import { positionOf } from '../../../domain/kernel/position.ts'
import { readHead } from './read-log.ts'

/** Asked of the log itself, by connections that see all of it: its positions are dense, so the place of an event is its number. */
export const createLogIndex = (pool: Pool): LogIndex => ({
  async eventsOf(tenantId, through, most = Number.MAX_SAFE_INTEGER) {
    if (tenantId === undefined) return Math.min(Number(through), most)
    const { rows } = await pool.query<{ events: string }>({
      name: 'log_events_of',
      // Compared as rows, so that only the index of tenants will do: with `tenant_id = $1` the planner may look through everybody's events in their order.
      text: `select count(*) as events from (
          select from es.events where (tenant_id, position) > ($1::uuid, 0) and (tenant_id, position) <= ($1::uuid, $2::bigint)
          order by tenant_id, position limit $3
        ) counted`,
      values: [tenantId, through, most],
    })
    return Number(rows[0]?.events ?? 0)
  },
  async lastBefore(moment) {
    let [low, high] = [0, (await readHead(pool)).position]
    // Times never go back along positions: low is always before the moment, high + 1 never.
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      const { rows } = await pool.query<{ before: boolean }>('select recorded_at < $2 as before from es.events where position = $1', [middle, moment])
      if (rows[0]?.before === true) low = middle
      else high = middle - 1
    }
    return positionOf(low)
  },
})
