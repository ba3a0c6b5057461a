import { queryBuilder, type TenantQueries } from '../../postgres/queries.ts'
import type { OperatorQueries } from '../engine/operator.ts'
import { selection, type Read, type ReadTable } from '../engine/naming.ts'
import { momentOf, pageOf, type Page } from '../engine/page.ts'
import { alerts, type AlertRow } from './projection.ts'

export type AlertView = Read<
  AlertRow,
  {
    readonly entity: { readonly type: string; readonly id: string } | null
    readonly resolvedBy: { readonly kind: string; readonly id: string; readonly name?: string } | null
  }
>

const db = queryBuilder<{ 'rm_alerts.alerts': ReadTable<AlertView> }>()

const ofTenant = (tenantId: string) =>
  db
    .selectFrom('rm_alerts.alerts as a')
    .where('a.tenant_id', '=', tenantId)
    .where('a.raised_at', 'is not', null)
    .select(selection<AlertView, 'a'>(alerts.table, 'a'))

export type AlertFilter = {
  readonly status?: 'open' | 'resolved' | undefined
  readonly code?: string | undefined
  readonly cursor?: string | undefined
  readonly limit: number
}

/** Last raised first. @throws BadCursor */
export async function listAlerts(queries: TenantQueries, tenantId: string, { status, code, cursor, limit }: AlertFilter): Promise<Page<AlertView>> {
  let query = ofTenant(tenantId)
    .orderBy('a.raised_at', 'desc')
    .orderBy('a.id')
    .limit(limit + 1)
  if (status !== undefined) query = query.where('a.status', '=', status)
  if (code !== undefined) query = query.where('a.code', '=', code)
  if (cursor !== undefined) {
    const { at, id } = momentOf(cursor)
    query = query.where((eb) => eb.or([eb('a.raised_at', '<', at), eb.and([eb('a.raised_at', '=', at), eb('a.id', '>', id)])]))
  }
  const rows = await queries.run(tenantId, query.compile())
  return pageOf(rows, limit, (row) => ({ key: row.raisedAt?.toISOString() ?? '', id: row.id }))
}

export async function getAlert(queries: TenantQueries, tenantId: string, id: string): Promise<AlertView | undefined> {
  const [row] = await getAlerts(queries, tenantId, [id])
  return row
}

/** Those of the ids that exist, in no order. */
export async function getAlerts(queries: TenantQueries, tenantId: string, ids: readonly string[]): Promise<readonly AlertView[]> {
  return ids.length === 0 ? [] : queries.run(tenantId, ofTenant(tenantId).where('a.id', 'in', ids).compile())
}

/** Open alerts of the whole installation by code, for its metrics. */
export const countOpenAlerts = (queries: OperatorQueries): Promise<readonly { readonly code: string; readonly open: number }[]> =>
  queries.runAcross(
    db
      .selectFrom('rm_alerts.alerts as a')
      .where('a.status', '=', 'open')
      .groupBy('a.code')
      .select((eb) => ['a.code', eb.cast<number>(eb.fn.countAll(), 'integer').as('open')])
      .compile(),
  )
