import type { Pool, PoolClient } from 'pg'
import { binaryArray } from '../../postgres/binary-array.ts'
import type { Checkpoint } from '../../postgres/lease.ts'
import type { Statement } from '../../postgres/transaction.ts'
import { rowKey, type Change, type RowKey } from './fold-page.ts'
import { snake, tableOf } from './naming.ts'
import type { AnyRow, ColumnType, Projection, Value } from './projection.ts'

/** A change that PostgreSQL's binary format cannot hold (an invalid date, a text that is no uuid): the fold made it, trying again will not help. */
export class NotEncodable extends Error {
  override readonly name = 'NotEncodable'
}

/** Reads and writes the rows of one read model in one schema, a page at a time: one statement for all rows to load, one to write, one to delete. */
export type RowTable = {
  /** @throws NotEncodable */
  readonly load: (
    pool: Pool | PoolClient,
    wanted: readonly { readonly tenantId: string; readonly id: string }[],
  ) => Promise<ReadonlyMap<RowKey, AnyRow>>
  /** Removes rows and gives them, each with its tenant. @throws NotEncodable */
  readonly take: (
    pool: Pool,
    wanted: readonly { readonly tenantId: string; readonly id: string }[],
  ) => Promise<readonly (readonly [tenantId: string, row: AnyRow])[]>
  /** @throws NotEncodable */
  readonly write: (changes: Iterable<Change>) => readonly Statement[]
  /**
   * Checkpoint and rows as one statement, which needs no transaction around it: one round trip instead of three, and a page is seen that much earlier.
   * The compare-and-set is what the rows are joined to, so it is done before the first of them. Undefined where there are rows to remove, too, or none.
   * @throws NotEncodable
   */
  readonly writeMoving: (checkpoint: Checkpoint, changes: Iterable<Change>) => Statement | undefined
}

export function rowTable(projection: Projection, schema: string): RowTable {
  const table = `${schema}.${tableOf(projection)}`
  const columns = Object.entries(projection.table.columns)
  const names = columns.map(([name]) => snake(name))
  const idType = projection.table.columns.id
  // The text of a prepared statement depends on the schema and the columns, so its name says both.
  const prepared = (what: string): string => `${schema}_v${projection.version}_${what}`

  // json is read as its text: the fold works on text, and parsing it here only to write it again would cost more than the fold.
  const selected = columns.map(([name, type]) => `r.${snake(name)}${type === 'json' ? '::text' : ''} as "${name}"`).join(', ')
  const load = {
    name: prepared('load'),
    text: `select r.tenant_id, ${selected}
      from unnest($1::uuid[], $2::${idType}[]) as wanted (tenant_id, id) join ${table} r on r.tenant_id = wanted.tenant_id and r.id = wanted.id`,
  }
  const unnested = (first: number): string =>
    `unnest(${[['tenant_id', 'uuid'] as const, ...columns].map(([, type], index) => `$${first + index}::${type}[]`).join(', ')}) as u (tenant_id, ${names.join(', ')})`
  const values = `u.tenant_id, ${names.map((name) => `u.${name}`).join(', ')}`
  const inserted = `insert into ${table} (tenant_id, ${names.join(', ')})`
  const onConflict = `on conflict (tenant_id, id) do update set ${names
    .filter((name) => name !== 'id')
    .map((name) => `${name} = excluded.${name}`)
    .join(', ')}`
  const upsert = { name: prepared('upsert'), text: `${inserted} select ${values} from ${unnested(1)} ${onConflict}` }
  const moving = {
    name: prepared('move'),
    text: `with moved as materialized (select es.advance($1, $2, $3, $4) is null as done)
      ${inserted} select ${values} from moved cross join lateral ${unnested(5)} ${onConflict}`,
  }
  const remove = {
    name: prepared('delete'),
    text: `delete from ${table} r using unnest($1::uuid[], $2::${idType}[]) as gone (tenant_id, id) where r.tenant_id = gone.tenant_id and r.id = gone.id`,
  }

  const take = { name: prepared('take'), text: `${remove.text} returning r.tenant_id, ${selected}` }

  return {
    async take(pool, wanted) {
      const values = encoded(() => keys(idType, wanted))
      const { rows } = await pool.query<AnyRow & { tenant_id: string }>({ ...take, values })
      return rows.map(({ tenant_id, ...row }) => [tenant_id, row as AnyRow] as const)
    },
    async load(pool, wanted) {
      if (wanted.length === 0) return new Map()
      const values = encoded(() => keys(idType, wanted))
      const { rows } = await pool.query<AnyRow & { tenant_id: string }>({ ...load, values })
      return new Map(rows.map(({ tenant_id, ...row }) => [rowKey(tenant_id, row.id), row as AnyRow]))
    },
    writeMoving({ name, token, from, to }, changes) {
      const { kept, gone } = apart(changes)
      if (kept.length === 0 || gone.length > 0) return undefined
      return encoded(() => ({ ...moving, values: [name, token, from, to, ...parameters(columns, kept)] }))
    },
    write(changes) {
      const { kept, gone } = apart(changes)
      return encoded(() => [
        ...(gone.length === 0 ? [] : [{ ...remove, values: keys(idType, gone) }]),
        ...(kept.length === 0 ? [] : [{ ...upsert, values: parameters(columns, kept) }]),
      ])
    },
  }
}

type Kept = { readonly tenantId: string; readonly row: AnyRow }

function apart(changes: Iterable<Change>): { kept: readonly Kept[]; gone: readonly { tenantId: string; id: string }[] } {
  const kept: Kept[] = []
  const gone: { tenantId: string; id: string }[] = []
  for (const { tenantId, id, row } of changes) {
    if (row === undefined) gone.push({ tenantId, id })
    else kept.push({ tenantId, row })
  }
  return { kept, gone }
}

function encoded<T>(encode: () => T): T {
  try {
    return encode()
  } catch (error) {
    throw new NotEncodable(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

const keys = (idType: ColumnType, wanted: readonly { tenantId: string; id: string }[]): Buffer[] => [
  binaryArray(
    'uuid',
    wanted.map(({ tenantId }) => tenantId),
  ),
  column(
    idType,
    wanted.map(({ id }) => id),
  ),
]

const parameters = (columns: readonly (readonly [string, ColumnType])[], kept: readonly Kept[]): Buffer[] => [
  binaryArray(
    'uuid',
    kept.map(({ tenantId }) => tenantId),
  ),
  ...columns.map(([name, type]) =>
    column(
      type,
      kept.map(({ row }) => row[name]),
    ),
  ),
]

/** The table definition pairs each column with the type of its values; this is where that pairing is relied on. */
const column = (type: ColumnType, values: readonly (Value | undefined)[]): Buffer => binaryArray(type, values as readonly never[])
