import type { EventType } from '../../domain/catalogue.ts'
import { occurredAtOf, type RecordedEvent } from '../../domain/kernel/envelope.ts'
import { sealedText } from '../../domain/kernel/secret.ts'
import { windowExpiresAt } from '../../domain/conversation/sending.ts'
import { isOfCustomer } from '../../domain/conversation/state.ts'
import type { EventsOf, Projection } from '../engine/projection.ts'
import { advanced, statusAfter, type MessageStatus } from '../messages/status.ts'
import { entryPointAfter, hourOf, isNewer, later } from './moments.ts'

// The inbox: one row per conversation, newest activity first.
// Invariants: unread = inbound messages after the last read marker; `version` is the stream's, so every event of the stream moves it (it is the ETag);
// the last message is the one that was written last (see `isNewer`), also when an older one is delivered after it, and its status is the one `messages`
// shows; whether it was edited or revoked is in `messageChanges`. What went by without us (`MessageRecorded`) is nobody's unread and opens no window, and
// history moves a conversation no further up than its own time.
// Version 2: history and echoes of the phone, the last message by its own time, free entry points (2026-11).
// Version 3: `changedHour`, and the inbox of a channel by an index of its own (2026-11).
// Version 4: a free entry point ends 72 hours after the report that tells of it, whatever that says (2026-11).

export type ConversationRow = {
  readonly id: string
  readonly channelId: string
  readonly contactId: string
  readonly status: string
  readonly snoozedUntil: Date | null
  readonly unreadCount: number
  readonly lastMessageId: string | null
  /** By which `messageChanges` knows it. */
  readonly lastMessageProviderId: string | null
  readonly lastMessageDirection: string | null
  readonly lastMessageType: string | null
  readonly lastMessageStatus: string | null
  /** Sealed for (contactId, lastMessageEventId, `content`). */
  readonly lastMessageContent: string | null
  readonly lastMessageEventId: string | null
  readonly lastMessageAt: Date | null
  readonly lastInboundAt: Date | null
  readonly windowExpiresAt: Date | null
  /** When the customer last came by an advertisement. */
  readonly entryPointAt: Date | null
  readonly entryPointExpiresAt: Date | null
  readonly lastActivityAt: Date
  readonly createdAt: Date
  readonly updatedAt: Date
  /** That of `updatedAt`, in hours since 1970: what changed of late is found by it. An index on the moment itself would be written with every status. */
  readonly changedHour: number
  readonly version: number
}

const handles = [
  'ConversationStarted',
  'MessageReceived',
  'MessageQueued',
  'MessageRecorded',
  'MessageCompleted',
  'EchoRecognised',
  'MessageReacted',
  'MessageEdited',
  'MessageRevoked',
  'SendAttempted',
  'SendAccepted',
  'SendDeferred',
  'SendFailed',
  'SendOutcomeUnknown',
  'SendRetried',
  'SendResolved',
  'MessageStatusChanged',
  'MessageStatusUnrecognised',
  'ConversationRead',
  'ConversationReopened',
  'ConversationMarkedPending',
  'ConversationSnoozed',
  'ConversationResolved',
] as const satisfies readonly EventType[]
type Handled = EventsOf<(typeof handles)[number]>

export const conversations: Projection<ConversationRow, Handled> = {
  name: 'conversations',
  version: 4,
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
      lastMessageProviderId: 'text',
      lastMessageDirection: 'text',
      lastMessageType: 'text',
      lastMessageStatus: 'text',
      lastMessageContent: 'text',
      lastMessageEventId: 'uuid',
      lastMessageAt: 'timestamptz',
      lastInboundAt: 'timestamptz',
      windowExpiresAt: 'timestamptz',
      entryPointAt: 'timestamptz',
      entryPointExpiresAt: 'timestamptz',
      lastActivityAt: 'timestamptz',
      createdAt: 'timestamptz',
      updatedAt: 'timestamptz',
      changedHour: 'int4',
      version: 'int4',
    },
    indexes: [
      { name: 'by_activity', on: 'last_activity_at, id' },
      { name: 'by_status', on: 'status, last_activity_at, id' },
      { name: 'by_channel', on: 'channel_id, last_activity_at, id' },
      { name: 'by_change', on: 'changed_hour' },
      { name: 'unread', on: 'last_activity_at, id', where: 'unread_count > 0' },
      { name: 'snoozed', on: 'snoozed_until', where: "status = 'snoozed'", acrossTenants: true },
    ],
    fillfactor: 85,
  },
  home: 'conversation',
  key: (_event, at) => at.stream.id,
  fold(row, event, at) {
    const before = row ?? started(event, at)
    if (before === undefined) return undefined
    return { ...before, ...change(before, event, at), updatedAt: at.recordedAt, changedHour: hourOf(at.recordedAt), version: at.version }
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
    lastMessageProviderId: null,
    lastMessageDirection: null,
    lastMessageType: null,
    lastMessageStatus: null,
    lastMessageContent: null,
    lastMessageEventId: null,
    lastMessageAt: null,
    lastInboundAt: null,
    windowExpiresAt: null,
    entryPointAt: null,
    entryPointExpiresAt: null,
    lastActivityAt: at.recordedAt,
    createdAt: at.recordedAt,
    updatedAt: at.recordedAt,
    changedHour: hourOf(at.recordedAt),
    version: at.version,
  }
}

function change(row: ConversationRow, event: Handled, at: RecordedEvent): Partial<ConversationRow> {
  switch (event.type) {
    case 'ConversationStarted':
      return {}
    case 'MessageReceived':
      return received(row, event, at)
    case 'MessageQueued':
      return event.reactsTo === undefined
        ? { ...lastMessage(row, event, at, { direction: 'outbound', status: 'queued', moment: new Date(occurredAtOf(at)) }), ...active(at) }
        : {}
    case 'MessageRecorded':
      return recorded(row, event, at)
    case 'MessageCompleted':
      return event.messageId === row.lastMessageId ? body(event, at) : {}
    case 'EchoRecognised':
      return event.messageId === row.lastMessageId ? { lastMessageId: event.as } : {}
    case 'MessageReacted':
    case 'MessageEdited':
    case 'MessageRevoked':
    case 'MessageStatusUnrecognised':
      return {}
    case 'SendAttempted':
    case 'SendAccepted':
    case 'SendDeferred':
    case 'SendFailed':
    case 'SendOutcomeUnknown':
    case 'SendRetried':
    case 'SendResolved':
    case 'MessageStatusChanged':
      return { ...entryPointAfter(row, event, at), ...statusOfLast(row, event) }
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

function received(row: ConversationRow, event: EventsOf<'MessageReceived'>, at: RecordedEvent): Partial<ConversationRow> {
  const moment = new Date(event.at)
  const last = lastMessage(row, event, at, { direction: 'inbound', status: 'received', moment })
  if (!isOfCustomer(event.messageType)) return last
  // Deliveries may come late and out of order: the window follows the customer's latest message, not the latest delivery.
  const lastInboundAt = later(row.lastInboundAt, moment)
  return {
    ...last,
    ...active(at),
    unreadCount: row.unreadCount + 1,
    lastInboundAt,
    windowExpiresAt: windowExpiresAt(lastInboundAt.toISOString()) ?? null,
    ...(event.entryPoint === undefined ? {} : { entryPointAt: later(row.entryPointAt, moment) }),
  }
}

function recorded(row: ConversationRow, event: EventsOf<'MessageRecorded'>, at: RecordedEvent): Partial<ConversationRow> {
  const { direction, status } = event
  const moment = new Date(event.at)
  const last = lastMessage(row, event, at, { direction, status: direction === 'inbound' ? 'received' : (status ?? 'sent'), moment })
  if (event.origin === 'phone') return { ...last, ...active(at) }
  // A conversation that begins with history is as old as that, not as its import.
  return { ...last, lastActivityAt: row.lastMessageId === null ? moment : later(row.lastActivityAt, moment) }
}

const active = ({ recordedAt: lastActivityAt }: RecordedEvent): Partial<ConversationRow> => ({ lastActivityAt })

type Written = EventsOf<'MessageReceived' | 'MessageQueued' | 'MessageRecorded'>
type Facts = { readonly direction: 'inbound' | 'outbound'; readonly status: MessageStatus; readonly moment: Date }

function lastMessage(row: ConversationRow, event: Written, at: RecordedEvent, { direction, status, moment }: Facts): Partial<ConversationRow> {
  if (!isNewer(moment, row.lastMessageAt)) return {}
  return {
    lastMessageId: event.messageId,
    lastMessageProviderId: event.type === 'MessageQueued' ? null : event.providerId,
    lastMessageDirection: direction,
    lastMessageStatus: status,
    lastMessageAt: moment,
    ...body(event, at),
  }
}

const body = (event: Written | EventsOf<'MessageCompleted'>, at: RecordedEvent): Partial<ConversationRow> => ({
  lastMessageType: event.messageType,
  lastMessageContent: sealedText(event.content),
  lastMessageEventId: at.id,
})

type Moving = EventsOf<
  'SendAttempted' | 'SendAccepted' | 'SendDeferred' | 'SendFailed' | 'SendOutcomeUnknown' | 'SendRetried' | 'SendResolved' | 'MessageStatusChanged'
>

function statusOfLast(row: ConversationRow, event: Moving): Partial<ConversationRow> {
  if (event.messageId !== row.lastMessageId || row.lastMessageStatus === null) return {}
  return {
    lastMessageStatus: advanced(row.lastMessageStatus as MessageStatus, statusAfter(event)),
    ...('providerId' in event ? { lastMessageProviderId: event.providerId } : {}),
  }
}
