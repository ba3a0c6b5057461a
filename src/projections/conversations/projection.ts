import type { EventType } from '../../domain/catalogue.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { sealedText } from '../../domain/kernel/secret.ts'
import { windowExpiresAt } from '../../domain/conversation/sending.ts'
import type { EventsOf, Projection } from '../engine/projection.ts'
import { advanced, statusAfter, type MessageStatus } from '../messages/status.ts'

// The inbox: one row per conversation, newest activity first.
// Invariants: unread = inbound messages after the last read marker; `version` is the stream's, so every event of the stream moves it (it is the ETag);
// the last message is the latest one in the log, and its status is the one `messages` shows.

export type ConversationRow = {
  readonly id: string
  readonly channelId: string
  readonly contactId: string
  readonly status: string
  readonly snoozedUntil: Date | null
  readonly unreadCount: number
  readonly lastMessageId: string | null
  readonly lastMessageDirection: string | null
  readonly lastMessageType: string | null
  readonly lastMessageStatus: string | null
  /** Sealed for (contactId, lastMessageEventId, `content`). */
  readonly lastMessageContent: string | null
  readonly lastMessageEventId: string | null
  readonly lastMessageAt: Date | null
  readonly lastInboundAt: Date | null
  readonly windowExpiresAt: Date | null
  readonly lastActivityAt: Date
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly version: number
}

const handles = [
  'ConversationStarted',
  'MessageReceived',
  'MessageQueued',
  'SendAttempted',
  'SendAccepted',
  'SendDeferred',
  'SendFailed',
  'SendOutcomeUnknown',
  'SendRetried',
  'MessageStatusChanged',
  'ConversationRead',
  'ConversationReopened',
  'ConversationMarkedPending',
  'ConversationSnoozed',
  'ConversationResolved',
] as const satisfies readonly EventType[]
type Handled = EventsOf<(typeof handles)[number]>

export const conversations: Projection<ConversationRow, Handled> = {
  name: 'conversations',
  version: 1,
  handles,
  creates: ['ConversationStarted'],
  table: {
    columns: {
      id: 'text',
      channelId: 'text',
      contactId: 'text',
      status: 'text',
      snoozedUntil: 'timestamptz',
      unreadCount: 'int4',
      lastMessageId: 'text',
      lastMessageDirection: 'text',
      lastMessageType: 'text',
      lastMessageStatus: 'text',
      lastMessageContent: 'text',
      lastMessageEventId: 'uuid',
      lastMessageAt: 'timestamptz',
      lastInboundAt: 'timestamptz',
      windowExpiresAt: 'timestamptz',
      lastActivityAt: 'timestamptz',
      createdAt: 'timestamptz',
      updatedAt: 'timestamptz',
      version: 'int4',
    },
    indexes: [
      { name: 'by_activity', on: 'last_activity_at, id' },
      { name: 'by_status', on: 'status, last_activity_at, id' },
      { name: 'unread', on: 'last_activity_at, id', where: 'unread_count > 0' },
      { name: 'snoozed', on: 'snoozed_until', where: "status = 'snoozed'", acrossTenants: true },
    ],
    fillfactor: 85,
  },
  key: (_event, at) => at.stream.id,
  fold(row, event, at) {
    const before = row ?? started(event, at)
    if (before === undefined) return undefined
    return { ...before, ...change(before, event, at), updatedAt: at.recordedAt, version: at.version }
  },
}

function started(event: Handled, at: RecordedEvent): ConversationRow | undefined {
  if (event.type !== 'ConversationStarted') return undefined
  return {
    id: at.stream.id,
    channelId: event.channelId,
    contactId: event.contactId,
    status: 'open',
    snoozedUntil: null,
    unreadCount: 0,
    lastMessageId: null,
    lastMessageDirection: null,
    lastMessageType: null,
    lastMessageStatus: null,
    lastMessageContent: null,
    lastMessageEventId: null,
    lastMessageAt: null,
    lastInboundAt: null,
    windowExpiresAt: null,
    lastActivityAt: at.recordedAt,
    createdAt: at.recordedAt,
    updatedAt: at.recordedAt,
    version: at.version,
  }
}

function change(row: ConversationRow, event: Handled, at: RecordedEvent): Partial<ConversationRow> {
  switch (event.type) {
    case 'ConversationStarted':
      return {}
    case 'MessageReceived': {
      const writtenAt = new Date(event.at)
      // Deliveries may come late and out of order: the window follows the customer's latest message, not the latest delivery.
      const lastInboundAt = row.lastInboundAt !== null && row.lastInboundAt > writtenAt ? row.lastInboundAt : writtenAt
      return {
        ...lastMessage(event, 'inbound', 'received', writtenAt, at),
        unreadCount: row.unreadCount + 1,
        lastInboundAt,
        windowExpiresAt: windowExpiresAt(lastInboundAt.toISOString()) ?? null,
      }
    }
    case 'MessageQueued':
      return lastMessage(event, 'outbound', 'queued', new Date(at.meta.occurredAt), at)
    case 'SendAttempted':
    case 'SendAccepted':
    case 'SendDeferred':
    case 'SendFailed':
    case 'SendOutcomeUnknown':
    case 'SendRetried':
    case 'MessageStatusChanged':
      if (event.messageId !== row.lastMessageId || row.lastMessageStatus === null) return {}
      return { lastMessageStatus: advanced(row.lastMessageStatus as MessageStatus, statusAfter(event)) }
    case 'ConversationRead':
      return { unreadCount: event.unread }
    case 'ConversationReopened':
      return { status: 'open', snoozedUntil: null }
    case 'ConversationMarkedPending':
      return { status: 'pending', snoozedUntil: null }
    case 'ConversationSnoozed':
      return { status: 'snoozed', snoozedUntil: new Date(event.until) }
    case 'ConversationResolved':
      return { status: 'resolved', snoozedUntil: null }
    default:
      return event satisfies never
  }
}

const lastMessage = (
  event: EventsOf<'MessageReceived' | 'MessageQueued'>,
  direction: 'inbound' | 'outbound',
  status: MessageStatus,
  moment: Date,
  at: RecordedEvent,
): Partial<ConversationRow> => ({
  lastMessageId: event.messageId,
  lastMessageDirection: direction,
  lastMessageType: event.messageType,
  lastMessageStatus: status,
  lastMessageContent: sealedText(event.content),
  lastMessageEventId: at.id,
  lastMessageAt: moment,
  lastActivityAt: at.recordedAt,
})
