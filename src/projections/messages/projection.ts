import type { EventType } from '../../domain/catalogue.ts'
import type { MessageError, ProviderStatus, Sender } from '../../domain/conversation/events.ts'
import { statusRank } from '../../domain/conversation/status-rank.ts'
import { occurredAtOf, type RecordedEvent } from '../../domain/kernel/envelope.ts'
import { sealedText } from '../../domain/kernel/secret.ts'
import type { EventsOf, Projection } from '../engine/projection.ts'
import { advanced, messageStatuses, statusAfter, type MessageStatus } from './status.ts'

// Threads: one row per message, in log order within its conversation; history from before the connection stands where it belongs by its own time.
// Invariants: `status` is the furthest one that was ever reported (see status.ts), and the history is in the order of the reports' own times, so any order
// in which the provider's reports reach us ends in the same row; `position` is that of the event that made the message and never changes, nor does
// `threadAt`. What others did to a message later (reactions, edits, revokes) is in `messageChanges`.
// Version 2: history, echoes of the phone, reactions of ours, prices (2026-11).

/** `status` may also be a word of the provider that Recado does not know. */
export type StatusEntry = { readonly status: string; readonly at: string }
/** The price as the earliest of the reports that named one has it: they may come in any order, and not all do. */
export type Priced = { readonly of: ProviderStatus; readonly pricing: unknown }

export type MessageRow = {
  readonly id: string
  readonly conversationId: string
  readonly channelId: string
  readonly contactId: string
  readonly direction: string
  /** `phone` or `history` of messages that went by without us. */
  readonly origin: string | null
  /** Of a reaction that we sent: the provider's id of the message it stands on. It is no message of the thread. */
  readonly reactsTo: string | null
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
  readonly pricing: string | null
  /** Its place in the thread, before `position`: when it was recorded, or when it was written if that was before the connection. */
  readonly threadAt: Date
  readonly occurredAt: Date
  readonly recordedAt: Date
  readonly position: string
  readonly version: number
}

const handles = [
  'MessageReceived',
  'MessageQueued',
  'MessageRecorded',
  'MessageCompleted',
  'EchoRecognised',
  'SendAttempted',
  'SendAccepted',
  'SendDeferred',
  'SendFailed',
  'SendOutcomeUnknown',
  'SendRetried',
  'SendResolved',
  'MessageStatusChanged',
  'MessageStatusUnrecognised',
] as const satisfies readonly EventType[]
type Handled = EventsOf<(typeof handles)[number]>
type Creating = EventsOf<'MessageReceived' | 'MessageQueued' | 'MessageRecorded'>
type Moving = Exclude<Handled, Creating | EventsOf<'MessageCompleted' | 'EchoRecognised' | 'MessageStatusUnrecognised'>>

export const messages: Projection<MessageRow, Handled> = {
  name: 'messages',
  version: 2,
  handles,
  creates: ['MessageReceived', 'MessageQueued', 'MessageRecorded'],
  table: {
    columns: {
      id: 'text',
      conversationId: 'text',
      channelId: 'text',
      contactId: 'text',
      direction: 'text',
      origin: 'text',
      reactsTo: 'text',
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
      pricing: 'json',
      threadAt: 'timestamptz',
      occurredAt: 'timestamptz',
      recordedAt: 'timestamptz',
      position: 'int8',
      version: 'int4',
    },
    indexes: [
      { name: 'thread', on: 'conversation_id, thread_at, position', where: 'reacts_to is null' },
      { name: 'by_provider_id', on: 'provider_id', where: 'provider_id is not null' },
      // Those that somebody has to look at: few among many.
      { name: 'troubled', on: 'position', where: "status in ('failed', 'unknown')" },
    ],
    // Statuses follow within seconds and touch no index, except for the provider's id once.
    fillfactor: 85,
  },
  within: { category: 'conversation', column: 'conversationId' },
  key: (event) => event.messageId,
  // What customers write stays as it is; what we send goes on for seconds or days, and the bodies of history come behind it.
  settled: ({ direction, origin }) => direction === 'inbound' && origin !== 'history',
  fold(row, event, at) {
    switch (event.type) {
      case 'MessageReceived':
      case 'MessageQueued':
      case 'MessageRecorded':
        return row ?? created(event, at)
      case 'EchoRecognised':
        // It is the row of the message that we sent: nothing is lost with this one.
        return row === undefined ? undefined : 'delete'
      case 'MessageCompleted':
        return row === undefined ? undefined : completed(row, event, at)
      case 'MessageStatusUnrecognised':
        return row === undefined ? undefined : { ...row, statusHistory: withEntry(row.statusHistory, event), version: at.version }
      default:
        return row === undefined ? undefined : moved(row, event, at)
    }
  },
}

function created(event: Creating, at: RecordedEvent): MessageRow {
  const { direction, occurredAt, status, providerId, sentBy } = beginning(event, at)
  const first: StatusEntry = { status, at: occurredAt.toISOString() }
  const isHistory = event.type === 'MessageRecorded' && event.origin === 'history'
  return {
    id: event.messageId,
    conversationId: at.stream.id,
    channelId: event.channelId,
    contactId: event.contactId,
    direction,
    origin: event.type === 'MessageRecorded' ? event.origin : null,
    reactsTo: event.type === 'MessageQueued' ? (event.reactsTo ?? null) : null,
    type: event.messageType,
    providerId,
    status,
    eventId: at.id,
    content: sealedText(event.content),
    raw: rawOf(event),
    replyTo: event.replyTo?.providerId ?? null,
    sentBy: sentBy === undefined ? null : JSON.stringify(sentBy),
    error: null,
    statusHistory: JSON.stringify([first]),
    pricing: null,
    threadAt: isHistory ? occurredAt : at.recordedAt,
    occurredAt,
    recordedAt: at.recordedAt,
    position: BigInt(at.position).toString(),
    version: at.version,
  }
}

type Beginning = {
  readonly direction: 'inbound' | 'outbound'
  readonly occurredAt: Date
  readonly status: MessageStatus
  readonly providerId: string | null
  readonly sentBy?: Sender
}

function beginning(event: Creating, at: RecordedEvent): Beginning {
  switch (event.type) {
    case 'MessageReceived':
      return { direction: 'inbound', occurredAt: new Date(event.at), status: 'received', providerId: event.providerId }
    case 'MessageQueued':
      return { direction: 'outbound', occurredAt: new Date(occurredAtOf(at)), status: 'queued', providerId: null, sentBy: event.sentBy }
    case 'MessageRecorded': {
      const { direction, providerId } = event
      const facts = { direction, occurredAt: new Date(event.at), providerId }
      // Whoever wrote it had the phone in hand.
      return direction === 'inbound' ? { ...facts, status: 'received' } : { ...facts, status: event.status ?? 'sent', sentBy: { kind: 'phone' } }
    }
    default:
      return event satisfies never
  }
}

const rawOf = (event: Creating | EventsOf<'MessageCompleted'>): string | null =>
  'raw' in event && event.raw !== undefined ? sealedText(event.raw) : null

/** The body that history sent after the place of the message. */
const completed = (row: MessageRow, event: EventsOf<'MessageCompleted'>, at: RecordedEvent): MessageRow => ({
  ...row,
  type: event.messageType,
  eventId: at.id,
  content: sealedText(event.content),
  raw: rawOf(event),
  version: at.version,
})

function moved(row: MessageRow, event: Moving, at: RecordedEvent): MessageRow {
  const next = statusAfter(event)
  const status = advanced(row.status as MessageStatus, next)
  const reported = event.type === 'MessageStatusChanged'
  const entry: StatusEntry = { status: next.status, at: isoOf(reported ? event.at : occurredAtOf(at)) }
  return {
    ...row,
    status,
    providerId: 'providerId' in event ? event.providerId : row.providerId,
    error: errorAfter(row, event, status),
    statusHistory: withEntry(row.statusHistory, entry),
    pricing: reported ? pricingAfter(row.pricing, event) : row.pricing,
    version: at.version,
  }
}

function pricingAfter(present: string | null, { status, pricing }: EventsOf<'MessageStatusChanged'>): string | null {
  if (pricing === undefined) return present
  const known = present === null ? undefined : (JSON.parse(present) as Priced)
  return known !== undefined && statusRank[known.of] <= statusRank[status] ? present : JSON.stringify({ of: status, pricing } satisfies Priced)
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
    case 'SendResolved':
      if (status === 'failed') return event.as === 'failed' ? JSON.stringify(givenUp(event.by)) : row.error
      return null
    default:
      return event satisfies never
  }
}

const givenUp = (by: 'person' | 'policy'): MessageError => ({
  code: 'given_up',
  title: 'Nobody knows whether the message left, and it was given up',
  detail:
    by === 'person' ? 'Somebody decided that it did not arrive.' : 'The settings of the organisation say that such a message is not sent again.',
  retryable: true,
})

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
function withEntry(history: string, { status: reached, at }: StatusEntry): string {
  const entry: StatusEntry = { status: reached, at: isoOf(at) }
  // Nearly always it is new and the last: then nothing needs to be read of the others (a third of the time of this fold went into that).
  if (!history.includes(`"${reached}"`) && !isBefore(entry, lastOf(history))) return `${history.slice(0, -1)},${JSON.stringify(entry)}]`
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

/** Of a history as `JSON.stringify` writes it, with times as `toISOString` does. */
function lastOf(history: string): StatusEntry {
  return JSON.parse(history.slice(history.lastIndexOf('{'), -1)) as StatusEntry
}

/** In the one form in which times compare as texts. */
const isoOf = (time: string): string => (time.length === 24 && time.endsWith('Z') ? time : new Date(time).toISOString())

const isReport = (status: string): boolean => status !== 'queued' && status !== 'sending' && status !== 'unknown'

function isBefore(a: StatusEntry, b: StatusEntry): boolean {
  const seconds = 'yyyy-mm-ddThh:mm:ss'.length
  const [second, other] = [a.at.slice(0, seconds), b.at.slice(0, seconds)]
  return second === other ? stepOf(a.status) < stepOf(b.status) : second < other
}

/** What we do not know comes after what we know. */
function stepOf(status: string): number {
  const step = messageStatuses.findIndex((known) => known === status)
  return step === -1 ? messageStatuses.length : step
}
