import type { SealedIdentity } from '../contacts/projection.ts'
import type { ContactView } from '../contacts/queries.ts'
import { selection, type ReadTable } from '../engine/naming.ts'
import { momentOf, pageOf, type Page } from '../engine/page.ts'
import { queryBuilder, type TenantQueries } from '../../postgres/queries.ts'
import { joinedChanges, type ChangesTables, type JoinedChanges } from '../messageChanges/queries.ts'
import { hourOf } from './moments.ts'
import { conversations, type ConversationRow } from './projection.ts'

/**
 * A conversation with what is shown of its contact, everything personal still sealed: the name for (contactId, contactNameEventId, `name`), an identity for
 * (contactId, its eventId, `value`), the last message for (contactId, lastMessageEventId, `content`). The contact may be missing for a moment.
 * What became of the last message since is beside it: of a revoked one nothing may be shown, of an edited one only the newest.
 */
export type ConversationView = ConversationRow &
  JoinedChanges & {
    readonly contactName: string | null
    readonly contactNameEventId: string | null
    readonly contactIdentities: readonly SealedIdentity[] | null
  }

export type ConversationFilter = {
  readonly status?: string | undefined
  readonly channelId?: string | undefined
  readonly unread?: boolean | undefined
  readonly updatedSince?: Date | undefined
  readonly cursor?: string | undefined
  readonly limit: number
}

const db = queryBuilder<
  {
    'rm_conversations.conversations': ReadTable<ConversationRow>
    'rm_contacts.contacts': ReadTable<ContactView>
  } & ChangesTables
>()

const ofTenant = (tenantId: string) =>
  db
    .selectFrom('rm_conversations.conversations as v')
    // Joined when it is read, so a renamed contact does not rewrite its conversations.
    .leftJoin('rm_contacts.contacts as c', (join) => join.onRef('c.tenant_id', '=', 'v.tenant_id').onRef('c.id', '=', 'v.contact_id'))
    .leftJoin('rm_message_changes.message_changes as x', (join) =>
      join
        .onRef('x.tenant_id', '=', 'v.tenant_id')
        .onRef('x.channel_id', '=', 'v.channel_id')
        .onRef('x.target_id', '=', 'v.last_message_provider_id'),
    )
    .where('v.tenant_id', '=', tenantId)
    .select(joinedChanges('x'))
    .select(selection<ConversationRow, 'v'>(conversations.table, 'v'))
    .select(['c.name as contactName', 'c.name_event_id as contactNameEventId', 'c.identities as contactIdentities'])

/** The statement of `listConversations`, for it and for the test of its plan. @throws BadCursor */
export function conversationsQuery(tenantId: string, { status, channelId, unread, updatedSince, cursor, limit }: ConversationFilter) {
  let query = ofTenant(tenantId)
    .orderBy('v.last_activity_at', 'desc')
    .orderBy('v.id', 'desc')
    .limit(limit + 1)
  if (status !== undefined) query = query.where('v.status', '=', status)
  if (channelId !== undefined) query = query.where('v.channel_id', '=', channelId)
  if (unread !== undefined) query = query.where('v.unread_count', unread ? '>' : '=', 0)
  if (updatedSince !== undefined) query = query.where('v.changed_hour', '>=', hourOf(updatedSince)).where('v.updated_at', '>=', updatedSince)
  if (cursor !== undefined) {
    const after = momentOf(cursor)
    query = query.where((eb) => eb(eb.refTuple('v.last_activity_at', 'v.id'), '<', eb.tuple(after.at, after.id)))
  }
  return query.compile()
}

/** Newest activity first. A conversation that gets a message while somebody pages moves to the front and may be seen twice, never missed. @throws BadCursor */
export async function listConversations(queries: TenantQueries, tenantId: string, filter: ConversationFilter): Promise<Page<ConversationView>> {
  const rows = await queries.run(tenantId, conversationsQuery(tenantId, filter))
  return pageOf(rows, filter.limit, (row) => ({ key: row.lastActivityAt.toISOString(), id: row.id }))
}

export async function getConversation(queries: TenantQueries, tenantId: string, id: string): Promise<ConversationView | undefined> {
  const [row] = await getConversations(queries, tenantId, [id])
  return row
}

/** Those of the ids that exist, in no order. */
export async function getConversations(queries: TenantQueries, tenantId: string, ids: readonly string[]): Promise<readonly ConversationView[]> {
  return ids.length === 0 ? [] : queries.run(tenantId, ofTenant(tenantId).where('v.id', 'in', ids).compile())
}
