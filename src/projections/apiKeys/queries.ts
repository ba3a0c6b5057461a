import { selection, type Read, type ReadTable } from '../engine/naming.ts'
import { momentOf, pageOf, type Page } from '../engine/page.ts'
import { queryBuilder, type TenantQueries } from '../../postgres/queries.ts'
import { apiKeys, type ApiKeyRow } from './projection.ts'

export type ApiKeyView = Read<ApiKeyRow, { readonly scopes: readonly string[] }>

const db = queryBuilder<{ 'rm_api_keys.api_keys': ReadTable<ApiKeyView> }>()

const ofTenant = (tenantId: string) =>
  db.selectFrom('rm_api_keys.api_keys as k').where('k.tenant_id', '=', tenantId).select(selection<ApiKeyView, 'k'>(apiKeys.table, 'k'))

/** Oldest first, revoked ones among them: who had access stays visible. @throws BadCursor */
export async function listApiKeys(
  queries: TenantQueries,
  tenantId: string,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Promise<Page<ApiKeyView>> {
  let query = ofTenant(tenantId)
    .orderBy('k.created_at')
    .orderBy('k.id')
    .limit(limit + 1)
  if (cursor !== undefined) {
    const after = momentOf(cursor)
    query = query.where((eb) => eb(eb.refTuple('k.created_at', 'k.id'), '>', eb.tuple(after.at, after.id)))
  }
  const rows = await queries.run(tenantId, query.compile())
  return pageOf(rows, limit, (row) => ({ key: row.createdAt.toISOString(), id: row.id }))
}

export async function getApiKey(queries: TenantQueries, tenantId: string, id: string): Promise<ApiKeyView | undefined> {
  const [row] = await queries.run(tenantId, ofTenant(tenantId).where('k.id', '=', id).compile())
  return row
}
