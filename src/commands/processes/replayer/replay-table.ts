import type { Pool, PoolClient } from 'pg'
import type { Actor, RecordedEvent } from '../../../domain/kernel/envelope.ts'
import { positionOf, type Position } from '../../../domain/kernel/position.ts'
import type { ReplayCounts, ReplayFilter } from '../../../domain/replay/events.ts'

/** A replay that is under way (migration 0012). */
export type OpenReplay = {
  readonly tenantId: string
  readonly replayId: string
  readonly filter: ReplayFilter
  /** Deliveries per second; 0: somebody cancelled it, it only has to be wound up. */
  readonly rate: number
  readonly through: Position
  readonly upto: Position
  readonly counts: ReplayCounts
  readonly actor: Actor
}

type Row = ReplayCounts & {
  tenant_id: string
  replay_id: string
  filter: ReplayFilter
  rate: number
  through: string
  upto: string
  actor: Actor
}

/** Those that were not touched for longest first, so that they take turns. */
export async function openReplays(pool: Pool): Promise<readonly OpenReplay[]> {
  const { rows } = await pool.query<Row>(
    `select tenant_id, replay_id, filter, rate, through, upto, actor, matched, replayed, unreadable, waiting, items, failed
     from work.replays order by updated_at, replay_id limit 100`,
  )
  return rows.map(({ tenant_id: tenantId, replay_id: replayId, filter, rate, through, upto, actor, ...counts }) => ({
    tenantId,
    replayId,
    filter,
    rate,
    through: positionOf(through),
    upto: positionOf(upto),
    counts,
    actor,
  }))
}

/** What the log says of replays, in the transaction of the checkpoint. A request that is met again after it was finished would begin anew: positions prevent it. */
export async function writeReplays(client: PoolClient, events: readonly RecordedEvent[]): Promise<void> {
  for (const { type, stream, data, meta, position, recordedAt } of events) {
    const { tenantId, id } = stream
    if (type === 'ReplayRequested') {
      await client.query(
        `insert into work.replays (tenant_id, replay_id, filter, rate, upto, actor, requested_at) values ($1, $2, $3, $4, $5, $6, $7)
         on conflict do nothing`,
        [tenantId, id, JSON.stringify(data['filter']), data['rate'], BigInt(position).toString(), JSON.stringify(meta.actor), recordedAt],
      )
    } else if (type === 'ReplayCancelled') {
      await client.query('update work.replays set rate = 0 where tenant_id = $1 and replay_id = $2', [tenantId, id])
    } else {
      await client.query('delete from work.replays where tenant_id = $1 and replay_id = $2', [tenantId, id])
    }
  }
}

export const setTotal = ({ tenantId, replayId }: OpenReplay, total: number, pool: Pool): Promise<unknown> =>
  pool.query('update work.replays set total = $3 where tenant_id = $1 and replay_id = $2', [tenantId, replayId, total])

/** A portion is done: its counts and how far it came, unless somebody else has done it meanwhile. */
export async function advance(pool: Pool, { tenantId, replayId, through }: OpenReplay, to: Position, done: ReplayCounts): Promise<void> {
  await pool.query(
    `update work.replays set through = $4, matched = matched + $5, replayed = replayed + $6, unreadable = unreadable + $7, waiting = waiting + $8,
       items = items + $9, failed = failed + $10, updated_at = clock_timestamp()
     where tenant_id = $1 and replay_id = $2 and through = $3`,
    [
      tenantId,
      replayId,
      BigInt(through).toString(),
      BigInt(to).toString(),
      done.matched,
      done.replayed,
      done.unreadable,
      done.waiting,
      done.items,
      done.failed,
    ],
  )
}
