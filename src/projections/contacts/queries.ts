import { selection, type Read, type ReadTable } from '../engine/naming.ts'
import { momentOf, pageOf, type Page } from '../engine/page.ts'
import { queryBuilder, type TenantQueries } from '../../postgres/queries.ts'
import { contacts, type Consents, type ContactRow, type SealedIdentity } from './projection.ts'

/** Sealed: the name for (id, nameEventId, `name`), each identity for (id, its eventId, `value`). */
export type ContactView = Read<
  ContactRow,
  { readonly identities: readonly SealedIdentity[]; readonly consents: Consents; readonly duplicates: readonly string[] }
>

const db = queryBuilder<{ 'rm_contacts.contacts': ReadTable<ContactView> }>()

const ofTenant = (tenantId: string) =>
  db.selectFrom('rm_contacts.contacts as c').where('c.tenant_id', '=', tenantId).select(selection<ContactView, 'c'>(contacts.table, 'c'))

/** Newest first. @throws BadCursor */
export async function listContacts(
  queries: TenantQueries,
  tenantId: string,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Promise<Page<ContactView>> {
  let query = ofTenant(tenantId)
    .orderBy('c.created_at', 'desc')
    .orderBy('c.id', 'desc')
    .limit(limit + 1)
  if (cursor !== undefined) {
    const after = momentOf(cursor)
    query = query.where((eb) => eb(eb.refTuple('c.created_at', 'c.id'), '<', eb.tuple(after.at, after.id)))
  }
  const rows = await queries.run(tenantId, query.compile())
  return pageOf(rows, limit, (row) => ({ key: row.createdAt.toISOString(), id: row.id }))
}

export async function getContact(queries: TenantQueries, tenantId: string, id: string): Promise<ContactView | undefined> {
  const [row] = await getContacts(queries, tenantId, [id])
  return row
}

/** Those of the ids that exist, in no order. */
export async function getContacts(queries: TenantQueries, tenantId: string, ids: readonly string[]): Promise<readonly ContactView[]> {
  return ids.length === 0 ? [] : queries.run(tenantId, ofTenant(tenantId).where('c.id', 'in', ids).compile())
}
