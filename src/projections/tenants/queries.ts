import { sql } from 'kysely'
import { selection, type Read, type ReadTable } from '../engine/naming.ts'
import { momentOf, pageOf, type Page } from '../engine/page.ts'
import { queryBuilder, type TenantQueries } from '../../postgres/queries.ts'
import type { OperatorQueries } from '../engine/operator.ts'
import { tenants, type TenantRow } from './projection.ts'

export type TenantView = Read<TenantRow, { readonly settings: Readonly<Record<string, unknown>> }>

const db = queryBuilder<{ 'rm_tenants.tenants': ReadTable<TenantView> }>()
const all = () => db.selectFrom('rm_tenants.tenants as t').select(selection<TenantView, 't'>(tenants.table, 't'))

/** A tenant as it sees itself. */
export async function getTenant(queries: TenantQueries, tenantId: string): Promise<TenantView | undefined> {
  const [row] = await queries.run(tenantId, all().where('t.tenant_id', '=', tenantId).compile())
  return row
}

/** All tenants, oldest first; for the operator. @throws BadCursor */
export async function listTenants(
  queries: OperatorQueries,
  { status, cursor, limit }: { status?: string | undefined; cursor?: string | undefined; limit: number },
): Promise<Page<TenantView>> {
  let query = all()
    .orderBy('t.created_at')
    .orderBy('t.id')
    .limit(limit + 1)
  if (status !== undefined) query = query.where('t.status', '=', status)
  if (cursor !== undefined) {
    const after = momentOf(cursor)
    query = query.where((eb) => eb(eb.refTuple('t.created_at', 't.id'), '>', eb.tuple(after.at, after.id)))
  }
  const rows = await queries.runAcross(query.compile())
  return pageOf(rows, limit, (row) => ({ key: row.createdAt.toISOString(), id: row.id }))
}

/** Organisations in a state; for the operator. */
export async function countTenants(queries: OperatorQueries, status: string): Promise<number> {
  const query = db
    .selectFrom('rm_tenants.tenants as t')
    .where('t.status', '=', status)
    .select((eb) => eb.cast<number>(eb.fn.countAll(), 'integer').as('tenants'))
  const [row] = await queries.runAcross(query.compile())
  return row?.tenants ?? 0
}

/** Organisations with a setting; for processes of ours that then look at what it says. */
export async function tenantsWithSetting(queries: OperatorQueries, name: string): Promise<readonly string[]> {
  const query = db
    .selectFrom('rm_tenants.tenants as t')
    .where(sql<boolean>`t.settings -> ${name} is not null`)
    .select('t.id')
  return (await queries.runAcross(query.compile())).map(({ id }) => id)
}
