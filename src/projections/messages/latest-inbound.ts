import type { ReadTable } from '../engine/naming.ts'
import { queryBuilder, type TenantQueries } from '../../postgres/queries.ts'
import type { MessageRow } from './projection.ts'

const db = queryBuilder<{ 'rm_messages.messages': ReadTable<MessageRow> }>()

/** What the customer wrote last, or the message with this id if the customer wrote it: as the provider knows it. */
export async function latestInbound(
  queries: TenantQueries,
  tenantId: string,
  { conversationId, messageId }: { conversationId: string; messageId?: string | undefined },
): Promise<{ providerId: string; channelId: string } | undefined> {
  let query = db
    .selectFrom('rm_messages.messages as m')
    .where('m.tenant_id', '=', tenantId)
    .where('m.conversation_id', '=', conversationId)
    // The thread's index holds what stands in the thread only.
    .where('m.reacts_to', 'is', null)
    .where('m.direction', '=', 'inbound')
    // WhatsApp's own words about the person are not theirs to be read.
    .where('m.type', '!=', 'system')
    .where('m.provider_id', 'is not', null)
    .select(['m.provider_id', 'm.channel_id'])
    .orderBy('m.thread_at', 'desc')
    .orderBy('m.position', 'desc')
    .limit(1)
  if (messageId !== undefined) query = query.where('m.id', '=', messageId)
  const [row] = await queries.run(tenantId, query.compile())
  return typeof row?.provider_id === 'string' ? { providerId: row.provider_id, channelId: row.channel_id } : undefined
}
