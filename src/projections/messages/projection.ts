import type { EventType } from '../../domain/catalogue.ts'
import type { MessageError } from '../../domain/conversation/events.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { sealedText } from '../../domain/kernel/secret.ts'
import type { EventsOf, Projection } from '../engine/projection.ts'
import { advanced, messageStatuses, statusAfter, type MessageStatus } from './status.ts'

// Threads: one row per message, in log order within its conversation.
// Invariants: `status` is the furthest one that was ever reported (see status.ts), and the history is in the order of the reports' own times, so any order
// in which the provider's reports reach us ends in the same row; `position` is that of the event that made the message and never changes.

export type StatusEntry = { readonly status: MessageStatus; readonly at: string }

export type MessageRow = {
  readonly id: string
  readonly conversationId: string
  readonly channelId: string
  readonly contactId: string
  readonly direction: string
  readonly type: string
  readonly providerId: string | null
  readonly status: string
  /** `content` and `raw` are sealed for (contactId, eventId, `content` | `raw`). */
  readonly eventId: string
  readonly content: string
  readonly raw: string | null
  /** The provider's id of the message that this one answers. */
  readonly replyTo: string | null
  readonly sentBy: string | null
  readonly error: string | null
  readonly statusHistory: string
  readonly occurredAt: Date
  readonly recordedAt: Date
  readonly position: string
  readonly version: number
}

const handles = [
  'MessageReceived',
  'MessageQueued',
  'SendAttempted',
  'SendAccepted',
  'SendDeferred',
  'SendFailed',
  'SendOutcomeUnknown',
  'SendRetried',
  'MessageStatusChanged',
] as const satisfies readonly EventType[]
type Handled = EventsOf<(typeof handles)[number]>
type Moving = Exclude<Handled, EventsOf<'MessageReceived' | 'MessageQueued'>>

export const messages: Projection<MessageRow, Handled> = {
  name: 'messages',
  version: 1,
  handles,
  creates: ['MessageReceived', 'MessageQueued'],
  table: {
    columns: {
      id: 'text',
      conversationId: 'text',
      channelId: 'text',
      contactId: 'text',
      direction: 'text',
      type: 'text',
      providerId: 'text',
      status: 'text',
      eventId: 'uuid',
      content: 'text',
      raw: 'text',
      replyTo: 'text',
      sentBy: 'json',
      error: 'json',
      statusHistory: 'json',
      occurredAt: 'timestamptz',
      recordedAt: 'timestamptz',
      position: 'int8',
      version: 'int4',
    },
    indexes: [
      { name: 'thread', on: 'conversation_id, position' },
      { name: 'by_provider_id', on: 'provider_id', where: 'provider_id is not null' },
    ],
    // Statuses follow within seconds and touch no index, except for the provider's id once.
    fillfactor: 85,
  },
  key: (event) => event.messageId,
  fold(row, event, at) {
    if (event.type === 'MessageReceived' || event.type === 'MessageQueued') return row ?? created(event, at)
    if (row === undefined) return undefined
    return moved(row, event, at)
  },
}

function created(event: EventsOf<'MessageReceived' | 'MessageQueued'>, at: RecordedEvent): MessageRow {
  const inbound = event.type === 'MessageReceived'
  const occurredAt = inbound ? event.at : at.meta.occurredAt
  const status: MessageStatus = inbound ? 'received' : 'queued'
  const first: StatusEntry = { status, at: new Date(occurredAt).toISOString() }
  return {
    id: event.messageId,
    conversationId: at.stream.id,
    channelId: event.channelId,
    contactId: event.contactId,
    direction: inbound ? 'inbound' : 'outbound',
    type: event.messageType,
    providerId: inbound ? event.providerId : null,
    status,
    eventId: at.id,
    content: sealedText(event.content),
    raw: inbound && event.raw !== undefined ? sealedText(event.raw) : null,
    replyTo: event.replyTo?.providerId ?? null,
    sentBy: inbound ? null : JSON.stringify(event.sentBy),
    error: null,
    statusHistory: JSON.stringify([first]),
    occurredAt: new Date(occurredAt),
    recordedAt: at.recordedAt,
    position: BigInt(at.position).toString(),
    version: at.version,
  }
}

function moved(row: MessageRow, event: Moving, at: RecordedEvent): MessageRow {
  const next = statusAfter(event)
  const status = advanced(row.status as MessageStatus, next)
  const reported = event.type === 'MessageStatusChanged'
  const entry: StatusEntry = { status: next.status, at: new Date(reported ? event.at : at.meta.occurredAt).toISOString() }
  return {
    ...row,
    status,
    providerId: 'providerId' in event ? event.providerId : row.providerId,
    error: errorAfter(row, event, status),
    statusHistory: withEntry(row.statusHistory, entry),
    version: at.version,
  }
}

/** The error belongs to the status that is shown: a failure that came after `delivered` is not shown, and a new attempt starts without one. */
function errorAfter(row: MessageRow, event: Moving, status: MessageStatus): string | null {
  switch (event.type) {
    case 'SendDeferred':
    case 'SendFailed':
      return status === statusAfter(event).status ? JSON.stringify(event.error) : row.error
    case 'SendOutcomeUnknown':
      return status === 'unknown' ? JSON.stringify(unknownOutcome(event.reason)) : row.error
    case 'MessageStatusChanged':
      if (event.error !== undefined && status === event.status) return JSON.stringify(event.error)
      return status === 'failed' ? row.error : null
    case 'SendAttempted':
      return row.error
    case 'SendAccepted':
      return status === 'failed' ? row.error : null
    case 'SendRetried':
      return null
    default:
      return event satisfies never
  }
}

const unknownOutcome = (reason: string): MessageError => ({
  code: 'outcome_unknown',
  title: 'Nobody knows whether the provider got this message',
  detail: reason,
  retryable: false,
})

/**
 * A status that our own record and the provider's report both tell of stands there once, with the earlier time. The provider's times are whole seconds:
 * within one second the way a message goes decides, else "sent" would stand before the "sending" that led to it.
 */
function withEntry(history: string, entry: StatusEntry): string {
  const entries = JSON.parse(history) as StatusEntry[]
  const twin = entries.findIndex(({ status }) => status === entry.status && isReport(status))
  if (twin !== -1) {
    const known = entries[twin]
    if (known !== undefined && known.at <= entry.at) return history
    entries.splice(twin, 1)
  }
  const place = entries.findLastIndex((earlier) => !isBefore(entry, earlier))
  entries.splice(place + 1, 0, entry)
  return JSON.stringify(entries)
}

const isReport = (status: MessageStatus): boolean => status !== 'queued' && status !== 'sending' && status !== 'unknown'

function isBefore(a: StatusEntry, b: StatusEntry): boolean {
  const seconds = 'yyyy-mm-ddThh:mm:ss'.length
  const [second, other] = [a.at.slice(0, seconds), b.at.slice(0, seconds)]
  return second === other ? messageStatuses.indexOf(a.status) < messageStatuses.indexOf(b.status) : second < other
}
