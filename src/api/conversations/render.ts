import type { ConversationView } from '../../projections/conversations/queries.ts'
import { openPerson } from '../contacts/render.ts'
import type { Opener } from '../messages/opening.ts'
import { preview } from '../messages/preview.ts'
import { shownNow, type Shown } from '../messages/shown.ts'
import type { ConversationBody } from './schema.ts'

export const renderConversations = (tenantId: string, rows: readonly ConversationView[], open: Opener): Promise<ConversationBody[]> =>
  Promise.all(rows.map((row) => renderConversation(tenantId, row, open)))

export async function renderConversation(tenantId: string, row: ConversationView, open: Opener): Promise<ConversationBody> {
  const person = { id: row.contactId, name: row.contactName, nameEventId: row.contactNameEventId, identities: row.contactIdentities ?? [] }
  const [{ bsuid: _notShownHere, ...known }, last] = await Promise.all([openPerson(tenantId, person, open), lastMessage(tenantId, row, open)])
  return {
    id: row.id,
    channel_id: row.channelId,
    // The only kind of channel there is (domain/channel/events.ts); one of another kind brings its column.
    channel_kind: 'business',
    contact: { id: row.contactId, ...known, name: known.name ?? (known.erased === true ? 'Erased contact' : (known.phone ?? 'Unknown')) },
    status: row.status as ConversationBody['status'],
    // Nobody is assigned and no bot answers yet: every conversation waits for whoever takes it.
    owner: 'queue',
    labels: [],
    unread_count: row.unreadCount,
    ...(last === undefined ? {} : { last_message: last }),
    ...moment('last_inbound_at', row.lastInboundAt),
    ...moment('window_expires_at', row.windowExpiresAt),
    ...moment('entry_point_expires_at', row.entryPointExpiresAt),
    ...moment('snoozed_until', row.snoozedUntil),
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
    version: row.version,
  }
}

async function lastMessage(tenantId: string, row: ConversationView, open: Opener): Promise<ConversationBody['last_message']> {
  const { lastMessageId, lastMessageEventId, lastMessageContent, lastMessageType, lastMessageDirection, lastMessageAt, lastMessageStatus } = row
  if (lastMessageId === null || lastMessageEventId === null || lastMessageContent === null || lastMessageType === null || lastMessageAt === null) {
    return undefined
  }
  const said = { ...row, eventId: lastMessageEventId, content: lastMessageContent, type: lastMessageType }
  const shown = await shownNow(tenantId, said, open)
  return {
    id: lastMessageId,
    direction: lastMessageDirection === 'inbound' ? 'inbound' : 'outbound',
    type: shown.type,
    preview: previewOf(shown),
    at: lastMessageAt.toISOString(),
    ...(lastMessageStatus === null ? {} : { status: lastMessageStatus }),
  }
}

/** Of what was deleted for everyone the inbox says so and nothing else. */
function previewOf(shown: Shown): string {
  switch (shown.state) {
    case 'shown':
      return preview(shown.type, shown.content)
    case 'erased':
      return ''
    case 'revoked':
      return '🚫 deleted'
    default:
      return shown satisfies never
  }
}

const moment = <Field extends string>(field: Field, value: Date | null): { [F in Field]?: string } =>
  value === null ? {} : ({ [field]: value.toISOString() } as { [F in Field]?: string })
