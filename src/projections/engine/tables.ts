import type { ClientBase, Pool } from 'pg'
import { inTransaction } from '../../postgres/transaction.ts'
import { snake, tableOf } from './naming.ts'
import type { ColumnType, Projection } from './projection.ts'

const sqlType = (type: ColumnType): string => (type === 'text' ? 'text collate "C"' : type)

/** A read model's schema and bare table, walls and grants included. Text is compared by bytes: cheaper, the same on every machine, and what the cursors rely on. */
export function tableDefinition(projection: Projection, schema: string): string {
  const { columns, fillfactor = 100 } = projection.table
  const table = `${schema}.${tableOf(projection)}`
  const defined = Object.entries(columns).map(([name, type]) => `${snake(name)} ${sqlType(type)}`)
  return `
    create schema ${schema};
    grant usage on schema ${schema} to recado_api, recado_worker;
    create table ${table} (tenant_id uuid not null, ${defined.join(', ')}) with (fillfactor = ${fillfactor});
    alter table ${table} enable row level security;
    create policy tenant_wall on ${table} for select to recado_api using (tenant_id = nullif(current_setting('recado.tenant', true), '')::uuid);
    create policy worker_all on ${table} to recado_worker using (true) with check (true);
    grant select on ${table} to recado_api;
    grant select, insert, update, delete on ${table} to recado_worker;`
}

export const keyDefinition = (projection: Projection, schema: string): string =>
  `alter table ${schema}.${tableOf(projection)} add primary key (tenant_id, id)`

/** The key on a bare table that others may be about to give it too. Whoever writes into it is waited for. */
export async function ensureKey(pool: Pool, projection: Projection, schema: string): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query(`lock table ${schema}.${tableOf(projection)} in access exclusive mode`)
    const standing = await indexesOf(client, projection, schema)
    if (!standing.has(`${tableOf(projection)}_pkey`)) await client.query(keyDefinition(projection, schema))
  })
}

/** The indexes beside the key: made after the rows of a rebuild are there, which is several times cheaper than to keep them up meanwhile. */
export const indexDefinitions = (projection: Projection, schema: string): readonly string[] =>
  projection.table.indexes.map(
    ({ name, on, where, acrossTenants }) =>
      `create index ${name} on ${schema}.${tableOf(projection)} (${acrossTenants === true ? '' : 'tenant_id, '}${on})${where === undefined ? '' : ` where ${where}`}`,
  )

/** The indexes of a table that stand already, by name; the key is `<table>_pkey`. */
export async function indexesOf(db: Pool | ClientBase, projection: Projection, schema: string): Promise<ReadonlySet<string>> {
  const { rows } = await db.query<{ indexname: string }>('select indexname from pg_indexes where schemaname = $1 and tablename = $2', [
    schema,
    tableOf(projection),
  ])
  return new Set(rows.map(({ indexname }) => indexname))
}
