import type { Pool, PoolClient } from 'pg'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { justBefore, positionOf, type Position } from '../../domain/kernel/position.ts'
import { inTransaction } from '../../postgres/transaction.ts'
import { discardedPositions } from './discarded.ts'
import { isPoison } from './failures.ts'
import { foldPage, keyPage, messageOf, type Keyed } from './fold-page.ts'
import { subscriptionOf } from './naming.ts'
import type { AnyRow, Projection } from './projection.ts'
import { rowTable, type RowTable } from './rows.ts'

/** An event that waits for a person, as far as one has to know it to deal with it. */
export type Waiting = { readonly position: Position; readonly row: string; readonly type: string; readonly category: 'failed' | 'behind' }

export type Retried =
  /** `waiting`: what is still parked of the row, the first of them because of `error`. `waitingInAll`: of all rows of the tenant in this read model. */
  | { readonly row: string; readonly applied: number; readonly waiting: number; readonly waitingInAll: number; readonly error: string | undefined }
  | { readonly missing: true }

/** It could not even be told which row it belongs to, so later events of that row were not held back. */
const outOfPlace = 'its row is known only now, and later events of that row were applied before it: only a rebuild puts it in its place'

export type ParkedTools = {
  /** What is parked there in the live generation; undefined when nothing is, or it was dealt with. */
  readonly find: (tenantId: string, projection: string, position: Position) => Promise<Waiting | undefined>
  /** The event of the log that is parked there. */
  readonly eventAt: (tenantId: string, position: Position) => Promise<RecordedEvent>
  /** Tries the parked events of a row again, in order, as far as they go. `discard`: leaves the event at the position out for good. */
  readonly retry: (tenantId: string, projection: string, position: Position, wish?: { readonly discard: boolean }) => Promise<Retried>
}

/** A row that stood still for long: the next try goes on where this one ends, and the writer is not kept waiting for all of it. */
const mostAtOnce = 5_000
const readAtOnce = 10

type Live = { readonly projection: Projection; readonly schema: string; readonly subscription: string }
type Place = Live & { readonly tenantId: string; readonly row: string }

/**
 * Dealing with what a read model could not apply, from any process and beside the writer.
 *
 * The transaction locks the subscription's row, which every page of the writer begins with, and takes the lease away from it: nothing is applied meanwhile,
 * and the writer begins again from its checkpoint without the rows it had in memory (0.1 s). So the row is exactly what the events before the first parked
 * one made it, and every later event of it up to the checkpoint is among the parked ones: folding those in order leaves nothing out and nothing twice.
 */
export function createParkedTools({
  pool,
  store,
  projections,
}: {
  /** Connections of the role recado_worker. */
  pool: Pool
  store: Pick<EventStore, 'readAll'>
  projections: readonly Projection[]
}): ParkedTools {
  async function liveOf(db: Pool | PoolClient, name: string): Promise<Live | undefined> {
    const projection = projections.find((one) => one.name === name)
    if (projection === undefined) return undefined
    const { rows } = await db.query<{ schema_name: string; version: number }>(
      `select schema_name, version from es.generations where projection = $1 and state = 'live'`,
      [name],
    )
    // A generation of another version has another fold: whoever runs that version has to deal with it.
    if (rows[0] === undefined || rows[0].version !== projection.version) return undefined
    return { projection, schema: rows[0].schema_name, subscription: subscriptionOf(projection) }
  }

  async function find(db: Pool | PoolClient, subscription: string, tenantId: string, position: Position): Promise<Waiting | undefined> {
    const { rows } = await db.query<{ stream_key: string; event_type: string; category: Waiting['category'] }>(
      `select stream_key, event_type, category from es.parked_events
       where tenant_id = $1 and subscription = $2 and position = $3 and resolved_at is null`,
      [tenantId, subscription, BigInt(position).toString()],
    )
    const [found] = rows
    return found === undefined ? undefined : { position, row: found.stream_key, type: found.event_type, category: found.category }
  }

  async function eventAt(tenantId: string, position: Position): Promise<RecordedEvent> {
    const { events } = await store.readAll({ after: justBefore(position), filter: { tenantId }, limit: 1 })
    if (events[0]?.position !== position) throw new Error(`the log has no event at ${position} for who parked one`)
    return events[0]
  }

  async function retry(client: PoolClient, place: Place): Promise<Retried> {
    const { tenantId, row, subscription, projection } = place
    const { rows } = await client.query<{ position: string }>(
      `select position from es.parked_events where tenant_id = $1 and subscription = $2 and stream_key = $3 and resolved_at is null order by position limit $4`,
      [tenantId, subscription, row, mostAtOnce],
    )
    const events: RecordedEvent[] = []
    for (let from = 0; from < rows.length; from += readAtOnce) {
      events.push(...(await Promise.all(rows.slice(from, from + readAtOnce).map(({ position }) => eventAt(tenantId, positionOf(position))))))
    }
    // In the log as discarded, though whoever wished it may have died before it was dealt with here: it is no part of the row any more.
    const discarded = await discardedPositions(client, projection.name, tenantId)
    const { keyed, parked } = keyPage(
      projection,
      events.filter(({ position }) => !discarded.has(position)),
    )
    const lost = parked[0] ?? keyed.flatMap(({ at, id }) => (id === row ? [] : [{ at, error: outOfPlace }]))[0]
    const outcome = lost === undefined ? await applyAll(client, place, keyed) : { applied: [], failed: lost.at, error: lost.error }
    // What a later version of `key` says is none of this read model's business waits for nothing.
    const concerned = new Set([...keyed, ...parked].map(({ at }) => at.position))
    const done = [...outcome.applied, ...events.flatMap(({ position }) => (concerned.has(position) ? [] : [position]))]
    await resolve(client, place, done)
    if (outcome.failed !== undefined) await stillFailing(client, place, outcome.failed.position, outcome.error)
    const { rows: left } = await client.query<{ mine: number; all: number }>(
      `select count(*) filter (where stream_key = $3)::int as mine, count(*)::int as all from es.parked_events
       where tenant_id = $1 and subscription = $2 and resolved_at is null`,
      [tenantId, subscription, row],
    )
    return { row, applied: outcome.applied.length, waiting: left[0]?.mine ?? 0, waitingInAll: left[0]?.all ?? 0, error: outcome.error }
  }

  return {
    eventAt,
    async find(tenantId, name, position) {
      const live = await liveOf(pool, name)
      return live === undefined ? undefined : find(pool, live.subscription, tenantId, position)
    },
    retry: (tenantId, name, position, { discard } = { discard: false }) =>
      inTransaction(pool, async (client) => {
        await client.query(`set local lock_timeout = '10s'`)
        const live = await liveOf(client, name)
        if (live === undefined) return { missing: true }
        await client.query(`update es.subscriptions set fencing_token = fencing_token + 1, owner = null, lease_until = null where name = $1`, [
          live.subscription,
        ])
        const found = await find(client, live.subscription, tenantId, position)
        if (found === undefined) return { missing: true }
        const place = { ...live, tenantId, row: found.row }
        if (discard) {
          await client.query(
            'insert into es.discarded_events (tenant_id, projection, position, stream_key) values ($1, $2, $3, $4) on conflict do nothing',
            [tenantId, name, BigInt(position).toString(), found.row],
          )
          await resolve(client, place, [position])
        }
        return retry(client, place)
      }),
  }
}

type Applied = { readonly applied: readonly Position[]; readonly failed?: RecordedEvent | undefined; readonly error?: string | undefined }

/** All of them in one write; if the table refuses that, one after the other up to the one that it refuses. */
async function applyAll(client: PoolClient, place: Place, keyed: readonly Keyed[]): Promise<Required<Applied>> {
  const { projection, schema, tenantId, row: id } = place
  const table = rowTable(projection, schema)
  const before = [...(await table.load(client, [{ tenantId, id }])).values()][0]
  const together = await applySome(client, place, table, keyed, before)
  if (together !== undefined) return complete(together)
  const applied: Position[] = []
  let row = before
  for (const one of keyed) {
    const alone = await applySome(client, place, table, [one], row)
    if (alone === undefined) return { applied, failed: one.at, error: 'the table refuses the row that it makes' }
    if (alone.failed !== undefined) return complete({ ...alone, applied })
    applied.push(one.at.position)
    row = alone.row
  }
  return complete({ applied })
}

const complete = ({ applied, failed, error }: Applied): Required<Applied> => ({ applied, failed, error })

/** Undefined: the database refused the row, and is as it was. */
async function applySome(
  client: PoolClient,
  { projection }: Place,
  table: RowTable,
  keyed: readonly Keyed[],
  before: AnyRow | undefined,
): Promise<(Applied & { readonly row: AnyRow | undefined }) | undefined> {
  const { changes, parked } = foldPage(
    projection,
    keyed,
    () => before,
    () => false,
  )
  await client.query('savepoint parked')
  try {
    for (const { values = [], ...statement } of table.write(changes.values())) await client.query({ ...statement, values: [...values] })
    await client.query('release savepoint parked')
  } catch (error) {
    if (!isPoison(error)) throw error
    await client.query('rollback to savepoint parked')
    return undefined
  }
  const [change] = [...changes.values()]
  return {
    applied: keyed.slice(0, keyed.length - parked.length).map(({ at }) => at.position),
    failed: parked[0]?.at,
    error: parked[0]?.error,
    row: change === undefined ? before : change.row,
  }
}

async function resolve(client: PoolClient, { tenantId, subscription }: Place, positions: readonly Position[]): Promise<void> {
  if (positions.length === 0) return
  await client.query(
    `update es.parked_events set resolved_at = clock_timestamp() where tenant_id = $1 and subscription = $2 and position = any($3::bigint[])`,
    [tenantId, subscription, positions.map((position) => BigInt(position).toString())],
  )
}

/** The first one that is left is the cause from now on, and says why today. */
async function stillFailing(client: PoolClient, { tenantId, subscription }: Place, position: Position, error: string | undefined): Promise<void> {
  await client.query(
    `update es.parked_events set category = 'failed', error = coalesce($4, error) where tenant_id = $1 and subscription = $2 and position = $3`,
    [tenantId, subscription, BigInt(position).toString(), error === undefined ? null : messageOf(error)],
  )
}
