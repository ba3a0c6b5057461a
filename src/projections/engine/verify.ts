import type { Pool } from 'pg'
import { positionOf, type Position } from '../../domain/kernel/position.ts'
import { discardedPositions } from './discarded.ts'
import { tableOf } from './naming.ts'
import { readParkedKeys } from './page-writer.ts'
import type { Projection } from './projection.ts'
import { foldRow, sameRow, type RowLog } from './refold.ts'
import { rowTable } from './rows.ts'
import { rowKey } from './fold-page.ts'

/** What was built is not what the log says: it is not shown to anybody. */
class NotVerified extends Error {
  override readonly name = 'NotVerified'
}

type Counts = Readonly<Record<string, number>>

/** Rows per tenant in the table against how many came and went in the fold: what COPY, spilling and taking back could have lost or doubled. @throws NotVerified */
export async function verifyCounts(pool: Pool, projection: Projection, schema: string, folded: Counts): Promise<void> {
  const { rows } = await pool.query<{ tenant_id: string; rows: string }>(
    `select tenant_id, count(*) as rows from ${schema}.${tableOf(projection)} group by tenant_id`,
  )
  const stored = new Map(rows.map((row) => [row.tenant_id, Number(row.rows)]))
  for (const tenantId of new Set([...stored.keys(), ...Object.keys(folded)])) {
    const [there, counted] = [stored.get(tenantId) ?? 0, folded[tenantId] ?? 0]
    if (there !== counted) throw new NotVerified(`${projection.name} has ${there} rows of ${tenantId} where ${counted} were folded`)
  }
}

const looked = 50
const smallLog = 100_000

/**
 * Some rows, drawn at random over the table's pages, each folded anew from its own events. Rows with parked events say what they said when those were
 * parked and are left out. Where a row's events are not in one stream this means to read the tenant's log for it: done for a few rows of a small log only.
 * @throws NotVerified
 */
export async function verifySample(
  { pool, log }: { pool: Pool; log: RowLog },
  projection: Projection,
  { schema, subscription, position }: { schema: string; subscription: string; position: Position },
): Promise<number> {
  const inOneStream = projection.home !== undefined || projection.within !== undefined
  if (!inOneStream && position > positionOf(smallLog)) return 0
  const table = `${schema}.${tableOf(projection)}`
  const { rows: size } = await pool.query<{ pages: number }>('select greatest(relpages, 1) as pages from pg_class where oid = $1::regclass', [table])
  const percent = Math.min(100, (100 * 4 * looked) / (size[0]?.pages ?? 1))
  const { rows } = await pool.query<{ tenant_id: string; id: string }>(
    `select tenant_id, id from (select tenant_id, id from ${table} tablesample system (${percent})) drawn order by random() limit ${inOneStream ? looked : 3}`,
  )
  const wanted = rows.map(({ tenant_id: tenantId, id }) => ({ tenantId, id }))
  const stored = await rowTable(projection, schema).load(pool, wanted)
  const parked = await readParkedKeys(pool, subscription)
  const without = await discardedPositions(pool, projection.name)
  for (const { tenantId, id } of wanted) {
    const key = rowKey(tenantId, id)
    if (parked.has(key)) continue
    const row = stored.get(key)
    const folded = await foldRow(log, projection, { tenantId, id, through: position, row, without })
    if (!sameRow(projection, folded, row)) throw new NotVerified(`the row ${id} of ${tenantId} in ${projection.name} is not what its events say`)
  }
  return wanted.length
}
