import { selection, type Read, type ReadTable } from '../engine/naming.ts'
import { queryBuilder, type TenantQueries } from '../../postgres/queries.ts'
import { media, type MediaRow, type MediaState } from './projection.ts'

export type MediaView = Omit<Read<MediaRow, object>, 'state'> & { readonly state: MediaState }

const db = queryBuilder<{ 'rm_media.media': ReadTable<MediaView> }>()

export async function getMedia(queries: TenantQueries, tenantId: string, id: string): Promise<MediaView | undefined> {
  const [row] = await getManyMedia(queries, tenantId, [id])
  return row
}

/** Those of the ids that exist, in no order. */
export async function getManyMedia(queries: TenantQueries, tenantId: string, ids: readonly string[]): Promise<readonly MediaView[]> {
  if (ids.length === 0) return []
  const query = db
    .selectFrom('rm_media.media as m')
    .where('m.tenant_id', '=', tenantId)
    .where('m.id', 'in', ids)
    .select(selection<MediaView, 'm'>(media.table, 'm'))
  return queries.run(tenantId, query.compile())
}
