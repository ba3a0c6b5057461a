import type { OperatorQueries } from '../engine/operator.ts'
import { queryBuilder } from '../../postgres/queries.ts'

type Tables = { 'rm_media.media': { tenant_id: string; id: string; contact_id: string | null; state: string; created_at: Date } }
const db = queryBuilder<Tables>()

/** The stored files of one person, or the one file of ours, that were there before a moment. */
export async function storedFilesOf(
  queries: OperatorQueries,
  of: { readonly tenantId: string } & ({ readonly contactId: string } | { readonly mediaId: string }),
  before: Date,
): Promise<readonly string[]> {
  const base = db
    .selectFrom('rm_media.media')
    .select('id')
    .where('tenant_id', '=', of.tenantId)
    .where('state', '=', 'stored')
    .where('created_at', '<=', before)
  const query = 'contactId' in of ? base.where('contact_id', '=', of.contactId) : base.where('id', '=', of.mediaId).where('contact_id', 'is', null)
  return (await queries.runAcross(query.compile())).map(({ id }) => id)
}
