import type { Pool, PoolClient } from 'pg'
import type { Lease } from '../../postgres/lease.ts'
import { inTransaction } from '../../postgres/transaction.ts'
import { schemaOf, snake, subscriptionOf, tableOf } from './naming.ts'
import type { ColumnType, Projection } from './projection.ts'

/** One version of a read model and where its table stands. */
export type Generation = { readonly version: number; readonly state: 'building' | 'live'; readonly schema: string }

/** Any number that nobody else locks in this database: one at a time changes generations. Leadership is never decided by it. */
const ddlLock = 732_238

/**
 * Makes the tables of these read models where they are missing; run at every start before anything serves or writes.
 * The first version of a read model is live at once. Another version than the live one gets a schema beside it (`rm_x_next`), is filled from the start
 * of the log by the same live writer, and takes the name over when it has caught up (`switchOver`): readers see the old rows until then.
 * @param pool connections of the login user, who owns the tables
 */
export async function prepareReadModels(pool: Pool, projections: readonly Projection[]): Promise<void> {
  for (const projection of projections) await prepareGeneration(pool, projection)
}

export async function prepareGeneration(pool: Pool, projection: Projection): Promise<Generation> {
  const ready = await generationOf(pool, projection)
  if (ready !== undefined) return ready
  return inTransaction(pool, async (client) => {
    await client.query('select pg_advisory_xact_lock($1)', [ddlLock])
    const meanwhile = await generationOf(client, projection)
    if (meanwhile !== undefined) return meanwhile
    return createGeneration(client, projection)
  })
}

/** The generation of this version, or undefined where it was never made or has been retired. */
async function generationOf(db: Pool | PoolClient, { name, version }: Projection): Promise<Generation | undefined> {
  const { rows } = await db.query<{ state: 'building' | 'live'; schema_name: string }>(
    `select state, schema_name from es.generations where projection = $1 and version = $2 and state <> 'retired'`,
    [name, version],
  )
  return rows[0] === undefined ? undefined : { version, state: rows[0].state, schema: rows[0].schema_name }
}

async function createGeneration(client: PoolClient, projection: Projection): Promise<Generation> {
  const { name, version } = projection
  const { rows } = await client.query<{ version: number; state: string }>(
    `select version, state from es.generations where projection = $1 and state <> 'retired'`,
    [name],
  )
  const state = rows.some((other) => other.state === 'live') ? 'building' : 'live'
  const schema = state === 'live' ? schemaOf(projection) : `${schemaOf(projection)}_next`
  // A version that was being built and is no longer wanted: its writer is fenced off before its table goes.
  for (const other of rows.filter((one) => one.state === 'building')) await retire(client, name, other.version)
  await client.query(`drop schema if exists ${schema} cascade`)
  await client.query(definitionOf(projection, schema))
  await client.query(
    `insert into es.generations (projection, version, state, schema_name, live_at)
     values ($1, $2, $3, $4, case when $3 = 'live' then clock_timestamp() end)
     on conflict (projection, version) do update set
       state = excluded.state, schema_name = excluded.schema_name, created_at = clock_timestamp(), live_at = excluded.live_at`,
    [name, version, state, schema],
  )
  // A version that was retired and is wanted again (a rollback) starts over; its parked events come up again by themselves.
  const subscription = subscriptionOf(projection)
  await client.query(
    `update es.subscriptions set position = 0, status = 'stopped', failure = null, fencing_token = fencing_token + 1, owner = null, lease_until = null
     where name = $1`,
    [subscription],
  )
  await client.query('delete from es.parked_events where subscription = $1', [subscription])
  return { version, state, schema }
}

async function retire(client: PoolClient, name: string, version: number): Promise<void> {
  await client.query(`update es.generations set state = 'retired' where projection = $1 and version = $2`, [name, version])
  // The higher token is what stops a writer that is just now frozen on the row: its compare-and-set finds nothing when it wakes.
  await client.query(
    `update es.subscriptions set status = 'retired', fencing_token = fencing_token + 1, owner = null, lease_until = null where name = $1`,
    [subscriptionOf({ name, version })],
  )
}

/**
 * Puts a caught-up generation in the place of the live one: in one transaction that freezes both writers (each begins its page with the row locked here),
 * so no event is applied in between. False when the old one is ahead, or readers hold its tables for too long: try again at the next catching up.
 */
export async function switchOver(pool: Pool, projection: Projection, lease: Lease): Promise<boolean> {
  const { name, version } = projection
  const schema = schemaOf(projection)
  const old = await inTransaction(pool, async (client) => {
    await client.query(`set local lock_timeout = '2s'`)
    await client.query('select pg_advisory_xact_lock($1)', [ddlLock])
    const { rows: live } = await client.query<{ version: number }>(`select version from es.generations where projection = $1 and state = 'live'`, [
      name,
    ])
    const before = live[0]?.version
    const names = [lease.name, ...(before === undefined ? [] : [subscriptionOf({ name, version: before })])]
    const { rows } = await client.query<{ name: string; position: string; fencing_token: string }>(
      'select name, position, fencing_token from es.subscriptions where name = any($1) order by name for update',
      [names],
    )
    const mine = rows.find((row) => row.name === lease.name)
    const theirs = rows.find((row) => row.name !== lease.name)
    if (mine === undefined || mine.fencing_token !== lease.token) return undefined
    if (theirs !== undefined && BigInt(theirs.position) > BigInt(mine.position)) return undefined
    const away = `${schema}_v${before ?? 0}`
    await client.query(`drop schema if exists ${away} cascade`)
    await client.query(`alter schema ${schema} rename to ${away}`)
    await client.query(`alter schema ${schema}_next rename to ${schema}`)
    if (before !== undefined) await retire(client, name, before)
    await client.query(
      `update es.generations set state = 'live', schema_name = $3, live_at = clock_timestamp() where projection = $1 and version = $2`,
      [name, version, schema],
    )
    return away
  })
  if (old === undefined) return false
  // After the switch, and in a transaction of its own: dropping waits for readers of the old table, renaming does not.
  await pool.query(`drop schema if exists ${old} cascade`)
  return true
}

const sqlType = (type: ColumnType): string => (type === 'text' ? 'text collate "C"' : type)

/** Everything a read model's table needs. Text is compared by bytes: cheaper, the same on every machine, and what the cursors rely on. */
function definitionOf(projection: Projection, schema: string): string {
  const { columns, indexes, fillfactor = 100 } = projection.table
  const table = `${schema}.${tableOf(projection)}`
  const defined = Object.entries(columns).map(([name, type]) => `${snake(name)} ${sqlType(type)}`)
  return `
    create schema ${schema};
    grant usage on schema ${schema} to recado_api, recado_worker;
    create table ${table} (tenant_id uuid not null, ${defined.join(', ')}, primary key (tenant_id, id)) with (fillfactor = ${fillfactor});
    ${indexes
      .map(
        ({ name, on, where, acrossTenants }) =>
          `create index ${name} on ${table} (${acrossTenants === true ? '' : 'tenant_id, '}${on})${where === undefined ? '' : ` where ${where}`};`,
      )
      .join('\n')}
    alter table ${table} enable row level security;
    create policy tenant_wall on ${table} for select to recado_api using (tenant_id = nullif(current_setting('recado.tenant', true), '')::uuid);
    create policy worker_all on ${table} to recado_worker using (true) with check (true);
    grant select on ${table} to recado_api;
    grant select, insert, update, delete on ${table} to recado_worker;`
}
