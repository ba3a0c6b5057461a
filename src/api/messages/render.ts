import type { MessageView } from '../../projections/messages/queries.ts'
import type { ShowMedia } from '../media/view.ts'
import { messageErrorBody } from './error.ts'
import type { Opener } from './opening.ts'
import { renderReactions } from './reactions.ts'
import type { MessageBody } from './schema.ts'
import { shownNow, type Content, type Shown } from './shown.ts'

/** A row as clients see it. Messages of one page are opened side by side: the vault loads a key once for all that wait for it. */
export async function renderMessages(tenantId: string, rows: readonly MessageView[], open: Opener, showMedia: ShowMedia): Promise<MessageBody[]> {
  return showMedia(tenantId, await Promise.all(rows.map((row) => renderMessage(tenantId, row, open))))
}

/** Without its file, which `showMedia` puts into a whole page at once. */
export async function renderMessage(tenantId: string, row: MessageView, open: Opener): Promise<MessageBody> {
  const [shown, raw, reactions] = await Promise.all([
    shownNow(tenantId, row, open),
    // What was revoked or edited is not shown in its first wording either.
    row.raw === null || row.revokedAt !== null || row.editedAt !== null
      ? null
      : open({ tenantId, subject: row.contactId, eventId: row.eventId, field: 'raw' }, row.raw),
    renderReactions(tenantId, row.reactions ?? [], open),
  ])
  return {
    id: row.id,
    conversation_id: row.conversationId,
    channel_id: row.channelId,
    direction: row.direction as MessageBody['direction'],
    type: shown.type,
    ...(row.providerId === null ? {} : { provider_id: row.providerId }),
    status: row.status,
    ...said(row, shown),
    ...(row.replyTo === null ? {} : { reply_to: { ...(row.replyToId === null ? {} : { id: row.replyToId }), provider_id: row.replyTo } }),
    reactions,
    ...(row.editedAt === null ? {} : { edited_at: row.editedAt.toISOString() }),
    ...(row.revokedAt === null ? {} : { revoked_at: row.revokedAt.toISOString() }),
    ...(row.error === null ? {} : { error: messageErrorBody(row.error) }),
    status_history: row.statusHistory.map(({ status, at }) => ({ status, at })),
    ...(row.sentBy === null ? {} : { sent_by: row.sentBy }),
    ...(row.origin === 'history' ? { history: true } : {}),
    ...(row.pricing === null ? {} : { pricing: row.pricing.pricing }),
    occurred_at: row.occurredAt.toISOString(),
    recorded_at: row.recordedAt.toISOString(),
    ...(raw === null ? {} : { raw: JSON.parse(raw) as MessageBody['raw'] }),
    version: versionOf(row),
  }
}

/** Whatever changes what is shown moves it. */
export const versionOf = (row: Pick<MessageView, 'version' | 'changedVersion'>): number => Math.max(row.version, row.changedVersion ?? 0)

function said(row: MessageView, shown: Shown): Pick<MessageBody, 'content' | 'erased' | 'media'> {
  switch (shown.state) {
    case 'shown':
      return { content: shown.content, ...mediaOf(row, shown.content) }
    case 'erased':
      return { content: null, erased: true }
    case 'revoked':
      return { content: null }
    default:
      return shown satisfies never
  }
}

const mediaTypes: readonly string[] = ['image', 'video', 'audio', 'document', 'sticker']

/** A file that the customer sent, or that was sent on the phone, is described by the provider and not fetched yet. */
function mediaOf(row: MessageView, content: Content): Pick<MessageBody, 'media'> {
  if ((row.direction !== 'inbound' && row.origin === null) || !mediaTypes.includes(row.type)) return {}
  const file = { ...(content[row.type] as Content | null) }
  const described = ['id', 'mime_type', 'sha256', 'filename'].flatMap((field) => (typeof file[field] === 'string' ? [[field, file[field]]] : []))
  return { media: { ...(Object.fromEntries(described) as Record<string, string>), state: 'pending' } }
}
