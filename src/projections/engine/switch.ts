import type { Pool, PoolClient } from 'pg'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { positionOf, start, type Position } from '../../domain/kernel/position.ts'
import type { Lease } from '../../postgres/lease.ts'
import { inTransaction } from '../../postgres/transaction.ts'
import { isPoison } from './failures.ts'
import { generationsOf, lockGenerations, moveParked, retire, type Generation } from './generations.ts'
import { schemaOf, subscriptionOf } from './naming.ts'
import type { PageWriter } from './page-writer.ts'
import type { Projection } from './projection.ts'

/** Applies the log to a generation that is being built, by the live writer's own pages, until `until` (or the head as it is when that is not given). */
export async function follow(
  { projection, store, writer, signal }: { projection: Projection; store: Pick<EventStore, 'readAll'>; writer: PageWriter; signal: AbortSignal },
  from: Position,
  until: Position,
): Promise<Position> {
  let position = from
  while (position < until) {
    signal.throwIfAborted()
    const page = await store.readAll({ after: position, filter: { types: projection.handles }, limit: 1_000 })
    const events = page.events.filter((event) => event.position <= until)
    const through = page.through < until ? page.through : until
    try {
      await writer.commit(await writer.prepare(events), through)
    } catch (error) {
      if (!isPoison(error)) throw error
      await writer.applyCarefully(events, through)
    }
    position = through
  }
  await writer.save()
  return position
}

/** The rebuild is not ours any more, or no longer wanted: nothing was switched. */
export class Superseded extends Error {
  override readonly name = 'Superseded'
}

/**
 * Puts a caught-up generation in the place of the live one, in one transaction: the live writer is frozen on its subscription's row (its pages begin with
 * it), the rest of the log up to where it stands is applied to the new rows, then the schemas change names. The new rows are then exactly as far as the
 * old ones were, so nobody who reads goes back in time. What was live stays as `rm_x_prev`.
 * The old writer wakes with a token that is no longer good: it reads again where its tables are, or (another version) stops.
 * @param claim fails when the rebuild is no longer ours or was aborted; part of the transaction, so an abort comes before the switch or after it
 */
export async function switchOver({
  pool,
  projection,
  shadow,
  lease,
  catchUp,
  claim,
  reconcile,
}: {
  /** Of the tables' owner. */
  pool: Pool
  projection: Projection
  shadow: Generation
  lease: Lease
  catchUp: (until: Position) => Promise<Position>
  claim: (client: PoolClient) => Promise<void>
  /** While both stand still: repairs what people did to the live rows' parked events since they were copied. */
  reconcile: (client: PoolClient, live: Generation, at: { live: Position; shadow: Position }) => Promise<void>
}): Promise<void> {
  const schema = schemaOf(projection)
  await inTransaction(pool, async (client) => {
    await client.query(`set local lock_timeout = '2s'`)
    await lockGenerations(client)
    const live = (await generationsOf(client, projection.name)).find(({ state }) => state === 'live')
    if (live === undefined) throw new Error(`${projection.name} has no live generation`)
    const stoodAt = (await lockSubscription(client, live.subscription))?.position
    if (stoodAt !== undefined) await catchUp(stoodAt)
    const mine = await lockSubscription(client, lease.name)
    if (mine === undefined || mine.token !== lease.token) throw new Superseded(`${lease.name} has another writer`)
    await claim(client)
    await reconcile(client, live, { live: stoodAt ?? start, shadow: mine.position })
    await putAway(client, { projection, live, position: stoodAt ?? mine.position })
    await client.query(`alter schema ${shadow.schema} rename to ${schema}`)
    const subscription = subscriptionOf(projection)
    await client.query(
      `update es.generations set state = 'live', schema_name = $2, subscription = $3, live_at = clock_timestamp(), position = null where schema_name = $1`,
      [shadow.schema, schema, subscription],
    )
    if (shadow.subscription === subscription) return
    await moveParked(client, shadow.subscription, subscription)
    await client.query(
      `update es.subscriptions set position = $2, fencing_token = fencing_token + 1, owner = null, lease_until = null, failure = null,
         updated_at = clock_timestamp() where name = $1`,
      [subscription, mine.position],
    )
    await retire(client, shadow.subscription)
  })
}

export async function lockSubscription(client: PoolClient, name: string): Promise<{ position: Position; token: string } | undefined> {
  const { rows } = await client.query<{ position: string; fencing_token: string }>(
    'select position, fencing_token from es.subscriptions where name = $1 for update',
    [name],
  )
  return rows[0] === undefined ? undefined : { position: positionOf(rows[0].position), token: rows[0].fencing_token }
}

async function putAway(
  client: PoolClient,
  { projection, live, position }: { projection: Projection; live: Generation; position: Position },
): Promise<void> {
  const away = `${schemaOf(projection)}_prev`
  await client.query(`delete from es.generations where projection = $1 and state = 'previous'`, [projection.name])
  await client.query(`drop schema if exists ${away} cascade`)
  await client.query(`alter schema ${live.schema} rename to ${away}`)
  const same = live.version === projection.version
  const subscription = same ? `${live.subscription}+prev` : live.subscription
  await client.query(
    `update es.generations set state = 'previous', schema_name = $2, subscription = $3, position = $4, retired_at = clock_timestamp() where schema_name = $1`,
    [live.schema, away, subscription, position],
  )
  if (same) await moveParked(client, live.subscription, subscription)
  else await retire(client, live.subscription)
}
