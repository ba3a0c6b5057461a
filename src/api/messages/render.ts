import type { MessageView } from '../../projections/messages/queries.ts'
import { messageErrorBody } from './error.ts'
import type { Opener } from './opening.ts'
import type { MessageBody } from './schema.ts'

type Content = NonNullable<MessageBody['content']>

/** A row as clients see it. Messages of one page are opened side by side: the vault loads a key once for all that wait for it. */
export const renderMessages = (tenantId: string, rows: readonly MessageView[], open: Opener): Promise<MessageBody[]> =>
  Promise.all(rows.map((row) => renderMessage(tenantId, row, open)))

export async function renderMessage(tenantId: string, row: MessageView, open: Opener): Promise<MessageBody> {
  const sealedFor = { tenantId, subject: row.contactId, eventId: row.eventId }
  const [text, raw] = await Promise.all([
    open({ ...sealedFor, field: 'content' }, row.content),
    row.raw === null ? null : open({ ...sealedFor, field: 'raw' }, row.raw),
  ])
  const content = text === null ? null : (JSON.parse(text) as Content)
  return {
    id: row.id,
    conversation_id: row.conversationId,
    channel_id: row.channelId,
    direction: row.direction as MessageBody['direction'],
    type: row.type,
    ...(row.providerId === null ? {} : { provider_id: row.providerId }),
    status: row.status,
    content,
    ...(content === null ? { erased: true } : mediaOf(row, content)),
    ...(row.replyTo === null ? {} : { reply_to: { ...(row.replyToId === null ? {} : { id: row.replyToId }), provider_id: row.replyTo } }),
    reactions: [],
    ...(row.error === null ? {} : { error: messageErrorBody(row.error) }),
    status_history: row.statusHistory.map(({ status, at }) => ({ status, at })),
    ...(row.sentBy === null ? {} : { sent_by: row.sentBy }),
    occurred_at: row.occurredAt.toISOString(),
    recorded_at: row.recordedAt.toISOString(),
    ...(raw === null ? {} : { raw: JSON.parse(raw) as MessageBody['raw'] }),
    version: row.version,
  }
}

const mediaTypes: readonly string[] = ['image', 'video', 'audio', 'document', 'sticker']

/** A file that the customer sent is described by the provider and not fetched yet. */
function mediaOf(row: MessageView, content: Content): Pick<MessageBody, 'media'> {
  if (row.direction !== 'inbound' || !mediaTypes.includes(row.type)) return {}
  const file = { ...(content[row.type] as Content | null) }
  const described = ['id', 'mime_type', 'sha256', 'filename'].flatMap((field) => (typeof file[field] === 'string' ? [[field, file[field]]] : []))
  return { media: { ...(Object.fromEntries(described) as Record<string, string>), state: 'pending' } }
}
