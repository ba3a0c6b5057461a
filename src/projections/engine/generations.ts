import { randomUUID } from 'node:crypto'
import type { Pool, PoolClient } from 'pg'
import { positionOf, type Position } from '../../domain/kernel/position.ts'
import { inTransaction } from '../../postgres/transaction.ts'
import { schemaOf, shadowOf, subscriptionOf } from './naming.ts'
import type { Projection } from './projection.ts'
import { indexDefinitions, keyDefinition, tableDefinition } from './tables.ts'

/** One version of a read model and where its table stands. */
export type Generation = {
  readonly version: number
  readonly state: 'building' | 'live' | 'previous'
  readonly schema: string
  readonly subscription: string
  readonly rebuildId: string | undefined
  readonly position: Position | undefined
}

/** Any number that nobody else locks in this database: one at a time changes generations. Leadership is never decided by it. */
const ddlLock = 732_238
export const lockGenerations = (client: PoolClient): Promise<unknown> => client.query('select pg_advisory_xact_lock($1)', [ddlLock])

/**
 * Makes the tables of these read models where they are missing; run at every start before anything serves or writes.
 * The first version of a read model is live at once. For another version than the live one a rebuild is asked for, all of them in one pass: it fills a
 * schema beside the live one and takes the name over when it has caught up (`rebuild.ts`). Readers see the old rows until then, and processes of the old
 * version go on writing them. A version that was live until the last switch is still there and only has to catch up.
 * @param pool connections of the login user, who owns the tables
 */
export async function prepareReadModels(pool: Pool, projections: readonly Projection[]): Promise<void> {
  const missing: Projection[] = []
  for (const projection of projections) if ((await generationOf(pool, projection))?.state !== 'live') missing.push(projection)
  if (missing.length === 0) return
  await inTransaction(pool, async (client) => {
    await lockGenerations(client)
    const wanted: { projection: Projection; kind: 'upgrade' | 'rollback' }[] = []
    for (const projection of missing) {
      const all = await generationsOf(client, projection.name)
      const mine = all.find(({ version, state }) => version === projection.version && state !== 'building')
      if (mine?.state === 'live') continue
      if (mine !== undefined) wanted.push({ projection, kind: 'rollback' })
      else if (all.some(({ state }) => state === 'live')) wanted.push({ projection, kind: 'upgrade' })
      else await createFirst(client, projection)
    }
    for (const kind of ['upgrade', 'rollback'] as const) {
      await askForRebuild(
        client,
        kind,
        wanted.filter((one) => one.kind === kind).map(({ projection }) => projection),
      )
    }
  })
}

export async function generationsOf(db: Pool | PoolClient, name: string): Promise<readonly Generation[]> {
  const { rows } = await db.query<{
    version: number
    state: Generation['state']
    schema_name: string
    subscription: string
    rebuild_id: string | null
    position: string | null
  }>('select version, state, schema_name, subscription, rebuild_id, position from es.generations where projection = $1', [name])
  return rows.map(({ version, state, schema_name: schema, subscription, rebuild_id, position }) => ({
    version,
    state,
    schema,
    subscription,
    rebuildId: rebuild_id ?? undefined,
    position: position === null ? undefined : positionOf(position),
  }))
}

/** The live generation of this version, else the one that is being built, else undefined. */
export async function generationOf(db: Pool | PoolClient, { name, version }: Pick<Projection, 'name' | 'version'>): Promise<Generation | undefined> {
  const mine = (await generationsOf(db, name)).filter((one) => one.version === version)
  return mine.find(({ state }) => state === 'live') ?? mine.find(({ state }) => state === 'building')
}

async function createFirst(client: PoolClient, projection: Projection): Promise<void> {
  const schema = schemaOf(projection)
  await client.query(`drop schema if exists ${schema} cascade`)
  await client.query([tableDefinition(projection, schema), keyDefinition(projection, schema), ...indexDefinitions(projection, schema)].join(';\n'))
  await client.query(
    `insert into es.generations (projection, version, state, schema_name, subscription, live_at) values ($1, $2, 'live', $3, $4, clock_timestamp())`,
    [projection.name, projection.version, schema, subscriptionOf(projection)],
  )
}

/** What was under way for another version of the same read models is not wanted any more. */
async function askForRebuild(client: PoolClient, kind: 'upgrade' | 'rollback', projections: readonly Projection[]): Promise<void> {
  const { rows: open } = await client.query<{ id: string; projections: string[]; versions: number[] }>(
    `select id, projections, versions from es.rebuilds where tenant_id is null and state not in ('live', 'aborted', 'failed')`,
  )
  const underWay = (projection: Projection): boolean =>
    open.some(({ projections, versions }) => projections.some((name, place) => name === projection.name && versions[place] === projection.version))
  const wanted = projections.filter((projection) => !underWay(projection))
  if (wanted.length === 0) return
  await client.query(
    `update es.rebuilds set state = 'aborted', ended_at = clock_timestamp(), updated_at = clock_timestamp(),
       error = '{"code":"superseded","detail":"another version of the read model is wanted"}'
     where state not in ('live', 'aborted', 'failed') and projections && $1`,
    [wanted.map(({ name }) => name)],
  )
  await client.query(`insert into es.rebuilds (id, kind, projections, versions, requested_by) values ($1, $2, $3, $4, $5)`, [
    randomUUID(),
    kind,
    wanted.map(({ name }) => name),
    wanted.map(({ version }) => version),
    JSON.stringify({ kind: 'process', id: 'start' }),
  ])
}

/** The next generation's schema and bare table, named by the attempt: who lost the rebuild meanwhile writes into a schema that is gone. */
export async function createShadow(client: PoolClient, projection: Projection, attempt: { rebuildId: string; token: string }): Promise<Generation> {
  await dropBuilding(client, projection.name)
  const live = (await generationsOf(client, projection.name)).find(({ state }) => state === 'live')
  const schema = `${schemaOf(projection)}_next_${attempt.token}`
  const subscription = shadowOf(projection, live?.version)
  await client.query(`drop schema if exists ${schema} cascade`)
  await client.query(tableDefinition(projection, schema))
  await client.query(
    `insert into es.generations (projection, version, state, schema_name, subscription, rebuild_id) values ($1, $2, 'building', $3, $4, $5)`,
    [projection.name, projection.version, schema, subscription, attempt.rebuildId],
  )
  await resetSubscription(client, subscription, '0')
  await client.query('delete from es.parked_events where subscription = $1', [subscription])
  return { version: projection.version, state: 'building', schema, subscription, rebuildId: attempt.rebuildId, position: undefined }
}

/** Takes back what was live until the last switch: it has to catch up only. Undefined when it is not there any more. */
export async function adoptPrevious(
  client: PoolClient,
  projection: Projection,
  attempt: { rebuildId: string; token: string },
): Promise<Generation | undefined> {
  const all = await generationsOf(client, projection.name)
  const previous = all.find(({ state, version }) => state === 'previous' && version === projection.version)
  if (previous === undefined) return undefined
  await dropBuilding(client, projection.name)
  const schema = `${schemaOf(projection)}_next_${attempt.token}`
  const subscription = shadowOf(projection, all.find(({ state }) => state === 'live')?.version)
  await client.query(`alter schema ${previous.schema} rename to ${schema}`)
  await client.query(
    `update es.generations set state = 'building', schema_name = $2, subscription = $3, rebuild_id = $4, retired_at = null where schema_name = $1`,
    [previous.schema, schema, subscription, attempt.rebuildId],
  )
  await moveParked(client, previous.subscription, subscription)
  await resetSubscription(client, subscription, previous.position ?? '0')
  return { ...previous, state: 'building', schema, subscription, rebuildId: attempt.rebuildId }
}

async function dropBuilding(client: PoolClient, name: string): Promise<void> {
  for (const { schema, state } of await generationsOf(client, name)) {
    if (state !== 'building') continue
    await client.query(`drop schema if exists ${schema} cascade`)
    await client.query('delete from es.generations where schema_name = $1', [schema])
  }
}

/** The higher token stops a writer that is just now frozen on the row: its compare-and-set finds nothing when it wakes. */
async function resetSubscription(client: PoolClient, name: string, position: string): Promise<void> {
  await client.query(
    `insert into es.subscriptions as s (name, position, status) values ($1, $2, 'building')
     on conflict (name) do update set position = excluded.position, status = 'building', failure = null, fencing_token = s.fencing_token + 1,
       owner = null, lease_until = null, updated_at = clock_timestamp()`,
    [name, position],
  )
}

export async function moveParked(client: PoolClient, from: string, to: string): Promise<void> {
  if (from === to) return
  await client.query('delete from es.parked_events where subscription = $1', [to])
  await client.query('update es.parked_events set subscription = $2 where subscription = $1', [from, to])
}

export async function retire(client: PoolClient, subscription: string): Promise<void> {
  await client.query(
    `update es.subscriptions set status = 'retired', fencing_token = fencing_token + 1, owner = null, lease_until = null where name = $1`,
    [subscription],
  )
}

/** What was replaced more than a day ago, and what was begun by rebuilds that are over. Whoever still reads such a table holds this up for 2 s at most. */
export async function purgeGenerations(pool: Pool, keptHours = 24): Promise<readonly string[]> {
  return inTransaction(pool, async (client) => {
    await client.query(`set local lock_timeout = '2s'`)
    await lockGenerations(client)
    const { rows } = await client.query<{ schema_name: string }>(
      `delete from es.generations g where (g.state = 'previous' and g.retired_at < clock_timestamp() - $1 * interval '1 hour')
        or (g.state = 'building' and not exists (
          select from es.rebuilds r where r.id = g.rebuild_id and r.state not in ('live', 'aborted', 'failed')))
       returning g.schema_name`,
      [keptHours],
    )
    for (const { schema_name: schema } of rows) await client.query(`drop schema if exists ${schema} cascade`)
    return rows.map(({ schema_name: schema }) => schema)
  })
}
