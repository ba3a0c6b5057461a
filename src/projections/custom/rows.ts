import type { Pool } from 'pg'
import { binaryArray } from '../../postgres/binary-array.ts'
import { copyIn } from '../../postgres/copy.ts'
import { inOneFlight, type Statement } from '../../postgres/transaction.ts'
import { allColumns, type Entry, type Load, type TableSet, type Values } from './working-set.ts'
import { nameOf } from './working-set.ts'
import { keyDefinition, quoted, type Column, type Layout } from './layout.ts'

type Placed = { readonly tenantId: string; readonly values: Values }

const tenant = { name: 'tenantId', sql: 'tenant_id', type: 'uuid' } as const satisfies Column
const listed = (columns: readonly Column[]): string => columns.map(({ sql }) => quoted(sql)).join(', ')
const arrays = (columns: readonly Column[], rows: readonly Placed[]): Buffer[] => [
  binaryArray(
    'uuid',
    rows.map(({ tenantId }) => tenantId),
  ),
  ...columns.map(({ type }, at) => binaryArray(type, rows.map(({ values }) => values[at]) as unknown as readonly never[])),
]
const unnested = (columns: readonly Column[]): string => `unnest($1::uuid[], ${columns.map(({ type }, at) => `$${at + 2}::${type}[]`).join(', ')})`

const placed = ({ tenantId, key, values = [] }: Entry): Placed => ({ tenantId, values: [...key, ...values] })

/** What has to be written for the rows that changed and the rows that were added. Marks nothing: until it is committed they stay dirty. */
export function writeStatements(schema: string, { layout, entries, grown }: TableSet): readonly Statement[] {
  const table = `${schema}.${quoted(layout.table)}`
  const columns = allColumns(layout)
  if (!layout.keyed) {
    return chunks(grown).map((rows) => ({
      text: `insert into ${table} (tenant_id, ${listed(columns)}) select * from ${unnested(columns)}`,
      values: arrays(columns, rows),
    }))
  }
  const dirty = [...entries.values()].filter((entry) => entry.dirty)
  const gone = dirty.filter(({ values }) => values === undefined).map(({ tenantId, key }) => ({ tenantId, values: key }))
  const kept = dirty.filter(({ values }) => values !== undefined).map(placed)
  const changes = layout.columns.map(({ sql }) => `${quoted(sql)} = excluded.${quoted(sql)}`).join(', ')
  return [
    ...chunks(gone).map((rows) => ({
      text: `delete from ${table} r using ${unnested(layout.key)} as gone (tenant_id, ${listed(layout.key)})
        where ${same(layout, 'r', 'gone')}`,
      values: arrays(layout.key, rows),
    })),
    ...chunks(kept).map((rows) => ({
      text: `insert into ${table} (tenant_id, ${listed(columns)}) select * from ${unnested(columns)}
        on conflict (tenant_id, ${listed(layout.key)}) do ${changes === '' ? 'nothing' : `update set ${changes}`}`,
      values: arrays(columns, rows),
    })),
  ]
}

const same = ({ key }: Layout, left: string, right: string): string =>
  [tenant, ...key].map(({ sql }) => `${left}.${quoted(sql)} = ${right}.${quoted(sql)}`).join(' and ')

function chunks<T>(rows: readonly T[]): (readonly T[])[] {
  const most = 20_000
  return Array.from({ length: Math.ceil(rows.length / most) }, (_, nth) => rows.slice(nth * most, (nth + 1) * most))
}

/** What was written is clean; what was added is the database's. Of more than `mostEntries` rows the older half goes. */
export function written(set: TableSet, mostEntries: number): void {
  set.grown = []
  for (const entry of set.entries.values()) entry.dirty = false
  let over = set.entries.size - mostEntries
  if (over <= 0) return
  over += mostEntries / 2
  for (const name of set.entries.keys()) {
    if (over-- <= 0) return
    set.entries.delete(name)
  }
}

/** Reads rows that are asked for into `entries`. */
export const loadFrom =
  (pool: Pool, schema: string): Load =>
  async (wanted) => {
    for (const [set, asked] of wanted) {
      const { layout, entries } = set
      const keys = [...asked.values()].map(({ tenantId, key }) => ({ tenantId, values: key }))
      // Sorted into columns by number: names of the file's own could be anything.
      const all = [tenant, ...layout.key, ...layout.columns]
      const { rows } = await pool.query<unknown[]>({
        text: `select ${all.map(({ sql, type }) => `r.${quoted(sql)}${type === 'json' ? '::text' : ''}`).join(', ')}
          from ${unnested(layout.key)} as wanted (tenant_id, ${listed(layout.key)})
          join ${schema}.${quoted(layout.table)} r on ${same(layout, 'r', 'wanted')}`,
        values: arrays(layout.key, keys),
        rowMode: 'array',
      })
      for (const [name, { tenantId, key }] of asked) entries.set(name, { tenantId, key, values: undefined, dirty: false })
      for (const [tenantId, ...cells] of rows) {
        const read = cells.map((cell, at) => (all[at + 1]?.type === 'int8' && cell !== null ? Number(cell) : cell))
        const key = read.slice(0, layout.key.length)
        const entry = entries.get(nameOf(String(tenantId), key))
        if (entry !== undefined) entry.values = read.slice(layout.key.length)
      }
    }
  }

/**
 * Fills tables that nobody reads yet: rows that are only added go out by COPY as they come, keyed rows at the end, by COPY too while the table is empty
 * and over its key when memory was too small to hold them all.
 */
export function createBulkWriter({
  pool,
  copyPool,
  schema,
  sets,
  mostEntries,
}: {
  pool: Pool
  /** A pool made with `pipeline: false`. */
  copyPool: Pool
  schema: string
  sets: readonly TableSet[]
  mostEntries: number
}) {
  const spilled = new Set<TableSet>()
  const filled = new Set<TableSet>()

  async function copy({ layout }: TableSet, rows: readonly Placed[]): Promise<void> {
    if (rows.length === 0) return
    const client = await copyPool.connect()
    let broken = true
    try {
      const columns = [tenant, ...allColumns(layout)].map(({ sql, type }) => ({ name: quoted(sql), type }))
      await copyIn(client, `${schema}.${quoted(layout.table)}`, columns, rows, (row, column) =>
        column === 0 ? row.tenantId : row.values[column - 1],
      )
      broken = false
    } finally {
      client.release(broken)
    }
  }

  async function flushKeyed(set: TableSet): Promise<void> {
    if (filled.has(set)) {
      const statements = writeStatements(schema, set)
      if (statements.length > 0) await inOneFlight(pool, statements)
      return
    }
    filled.add(set)
    await copy(set, [...set.entries.values()].filter(({ values }) => values !== undefined).map(placed))
    await pool.query(keyDefinition(schema, set.layout))
  }

  return {
    /** Whether every row there is, is at hand: then what is not need not be looked for. */
    complete: (): boolean => spilled.size === 0,
    async relieve(): Promise<void> {
      for (const set of sets) {
        if (set.grown.length > 20_000) {
          await copy(set, set.grown)
          set.grown = []
        }
        if (set.entries.size <= mostEntries) continue
        await flushKeyed(set)
        written(set, mostEntries)
        spilled.add(set)
      }
    },
    async finish(): Promise<void> {
      for (const set of sets) {
        if (set.layout.keyed) await flushKeyed(set)
        else {
          await copy(set, set.grown)
          await pool.query(keyDefinition(schema, set.layout))
        }
        written(set, mostEntries)
        await pool.query(`analyze ${schema}.${quoted(set.layout.table)}`)
      }
    },
  }
}
