import type { Pool } from 'pg'
import { StoreUnavailable, type EventStore } from '../../../domain/kernel/event-store.ts'
import type { LogIndex } from '../../../domain/kernel/log-index.ts'
import { later, positionOf, start, type Position } from '../../../domain/kernel/position.ts'
import type { Category, StreamRef } from '../../../domain/kernel/stream.ts'
import { binaryArray } from '../../../postgres/binary-array.ts'
import { checkpointOf } from '../../../postgres/lease.ts'
import { inTenant } from '../../../postgres/transaction.ts'
import { failureOf } from '../postgres/failure.ts'
import { placesSubscription } from './follow-places.ts'
import { createReached } from './reached.ts'

/** One event as the index knows it. `nth`: the how manyeth of the whole log. */
export type Place = { readonly position: Position; readonly nth: number; readonly stream: StreamRef; readonly version: number }

export type PlacesRead = {
  readonly after: Position
  readonly through: Position
  readonly types?: readonly string[] | undefined
  readonly limit: number
}

/**
 * The index of the log (migration 0022) for its readers. It is a moment behind the log: whoever needs a place waits for the index with `reach`.
 * What is asked for one tenant is asked behind the database's wall, whoever asks.
 */
export type Places = LogIndex & {
  /** Hand this to `followPlaces`. */
  readonly report: (position: Position) => void
  /** How far the index reaches. */
  readonly indexed: () => Promise<Position>
  /** Resolves true once the index reaches a position; false when that takes too long. */
  readonly waitFor: (position: Position, timeoutMs: number) => Promise<boolean>
  /** Of one tenant, in log order. */
  readonly of: (tenantId: string, read: PlacesRead) => Promise<readonly Place[]>
  /** The tenant's last event at or before a moment or position, as far as the index reaches; `start` when there is none. */
  readonly at: (tenantId: string, moment: Date | Position) => Promise<Position>
  /** Where these deliveries begin; undefined where the index has none. */
  readonly ofDeliveries: (wanted: readonly { readonly tenantId: string; readonly id: string }[]) => Promise<readonly (Position | undefined)[]>
  /** Events in (from, to], for two places within the index. */
  readonly between: (from: Position, to: Position) => Promise<number>
}

const patienceMs = 5_000

export function createPlaces({ workerPool, apiPool }: { workerPool: Pool; apiPool: Pool }): Places {
  const ask = async (): Promise<Position> => (await checkpointOf(workerPool, placesSubscription)) ?? start
  const reached = createReached(ask)

  return {
    report: reached.report,
    waitFor: reached.waitFor,
    indexed: async () => later(reached.known(), await available(ask)),
    async of(tenantId, { after, through, types, limit }) {
      const rows = await available(() =>
        inTenant<{ position: string; nth: string; stream_id: string; version: number }>(
          apiPool,
          tenantId,
          {
            name: `places_of ${types === undefined ? 'all' : 'types'}`,
            // Compared as rows, so that only the index of tenants will do (see migration 0016).
            text: `select position, nth, stream_id, version from es.places
              where (tenant_id, position) > ($1::uuid, $2::bigint) and (tenant_id, position) <= ($1::uuid, $3::bigint)
              ${types === undefined ? '' : 'and type = any ($5)'} order by tenant_id, position limit $4`,
          },
          [tenantId, bounded(after), bounded(through), limit, ...(types === undefined ? [] : [types])],
        ),
      )
      return rows.map(({ position, nth, stream_id, version }) => ({
        position: positionOf(position),
        nth: Number(nth),
        stream: streamOf(tenantId, stream_id),
        version,
      }))
    },
    async at(tenantId, moment) {
      const [asked, value] = moment instanceof Date ? ['es.place_at($1)', moment.toISOString()] : ['es.place_through($1)', bounded(moment)]
      const [row] = await available(() => inTenant<{ position: string }>(apiPool, tenantId, `select ${asked} as position`, [value]))
      return positionOf(row?.position ?? 0)
    },
    async ofDeliveries(wanted) {
      if (wanted.length === 0) return []
      const { rows } = await available(() =>
        workerPool.query<{ position: string | null }>({
          name: 'places_deliveries',
          text: `select p.position from unnest($1::uuid[], $2::text[]) with ordinality as w (tenant_id, stream_id, place)
            left join es.places p on p.tenant_id = w.tenant_id and p.stream_id = w.stream_id and p.version = 1 and p.stream_id ^@ 'delivery-'
            order by w.place`,
          values: [
            binaryArray(
              'uuid',
              wanted.map(({ tenantId }) => tenantId),
            ),
            binaryArray(
              'text',
              wanted.map(({ id }) => `delivery-${id}`),
            ),
          ],
        }),
      )
      return rows.map(({ position }) => (position === null ? undefined : positionOf(position)))
    },
    between: async (from, to) => numbered(workerPool, from, to),
    async eventsOf(tenantId, through, most = Number.MAX_SAFE_INTEGER) {
      await reach({ waitFor: reached.waitFor }, through)
      if (tenantId === undefined) return Math.min(await numbered(workerPool, start, through), most)
      const { rows } = await available(() =>
        workerPool.query<{ events: string }>({
          name: 'places_count',
          text: `select count(*) as events from (
              select from es.places where (tenant_id, position) > ($1::uuid, 0) and (tenant_id, position) <= ($1::uuid, $2::bigint)
              order by tenant_id, position limit $3
            ) counted`,
          values: [tenantId, bounded(through), most],
        }),
      )
      return Number(rows[0]?.events ?? 0)
    },
    async lastBefore(moment) {
      const known = later(reached.known(), await available(ask))
      return lastBefore(workerPool, moment, known)
    },
  }
}

/** Waits until the index reaches a position. @throws StoreUnavailable when it does not in time: whoever asks again finds it. */
export async function reach(places: Pick<Places, 'waitFor'>, position: Position): Promise<void> {
  if (!(await places.waitFor(position, patienceMs))) throw new StoreUnavailable('connection', 'the index of the log is behind', 1)
}

/** The same log, with distances counted by the index as far as it reaches: engines that know bytes know no numbers of events. */
export const countedBy = (store: EventStore, places: Pick<Places, 'between' | 'waitFor'>): EventStore => ({
  ...store,
  async distance(from, to) {
    const distance = await store.distance(from, to)
    if (distance.events !== undefined || !(await places.waitFor(to, 250))) return distance
    return { ...distance, events: from >= to ? 0 : await places.between(from, to) }
  },
})

/** Events in (from, to]. */
async function numbered(pool: Pool, from: Position, to: Position): Promise<number> {
  const { rows } = await available(() =>
    pool.query<{ events: string }>({
      name: 'places_between',
      text: `select coalesce((select nth from es.places where position <= $2 order by position desc limit 1), 0)
        - coalesce((select nth from es.places where position <= $1 order by position desc limit 1), 0) as events`,
      values: [bounded(from), bounded(to)],
    }),
  )
  return Math.max(0, Number(rows[0]?.events ?? 0))
}

/** Times never go back along positions, so halving finds the place; positions have gaps, so the event at or before the middle is looked at. */
async function lastBefore(pool: Pool, moment: Date, through: Position): Promise<Position> {
  const before = async (at: bigint): Promise<{ position: bigint; early: boolean } | undefined> => {
    const { rows } = await available(() =>
      pool.query<{ position: string; early: boolean }>({
        name: 'places_moment',
        text: 'select position, recorded_at < $2 as early from es.places where position <= $1 order by position desc limit 1',
        values: [String(at), moment],
      }),
    )
    return rows[0] === undefined ? undefined : { position: BigInt(rows[0].position), early: rows[0].early }
  }
  // Up to `low` every event is before the moment, `best` the last one known of them; at `high` and later none is.
  let [low, high, best] = [0n, BigInt(bounded(through)) + 1n, 0n]
  while (low + 1n < high) {
    const middle = low + (high - low) / 2n
    const found = await before(middle)
    if (found === undefined || found.position <= low) low = middle
    else if (found.early) [low, best] = [middle, found.position]
    else high = found.position
  }
  return positionOf(best)
}

/** A position from outside may have twenty digits; bigint ends before. */
const bounded = (position: Position): string => String(BigInt(position) > lastBigint ? lastBigint : BigInt(position))
const lastBigint = 9_223_372_036_854_775_806n

function streamOf(tenantId: string, name: string): StreamRef {
  const dash = name.indexOf('-')
  return { tenantId, category: name.slice(0, dash) as Category, id: name.slice(dash + 1) }
}

/** A database that is away means for the log what an engine that is away means: 503, and repeating helps. */
async function available<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof StoreUnavailable || failureOf(error) === 'refused') throw error
    throw new StoreUnavailable('connection', 'the index of the log cannot be reached', 2, { cause: error })
  }
}
