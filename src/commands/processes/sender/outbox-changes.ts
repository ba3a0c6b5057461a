import type { EventType } from '../../../domain/catalogue.ts'
import type { ConversationEvent, Priority } from '../../../domain/conversation/events.ts'
import { fromStored } from '../../../domain/kernel/codec.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { Position } from '../../../domain/kernel/position.ts'
import { sealedText } from '../../../domain/kernel/secret.ts'

export const outboxTypes = [
  'MessageQueued',
  'SendAttempted',
  'SendAccepted',
  'SendDeferred',
  'SendFailed',
  'SendOutcomeUnknown',
  'SendRetried',
  'SendResolved',
  'MessageStatusChanged',
] as const satisfies readonly EventType[]
const isOutboxType: ReadonlySet<string> = new Set(outboxTypes)
type OutboxEvent = Extract<ConversationEvent, { type: (typeof outboxTypes)[number] }>

export type OutboxState = 'queued' | 'sending' | 'failed' | 'unknown'
export const rankOf: Readonly<Record<Priority, number>> = { agent: 0, automation: 1, campaign: 2 }

/** What a message needs to be sent, sealed as it stands in the event `eventId`. */
export type Content = {
  readonly messageType: string
  readonly content: string
  readonly eventId: string
  readonly correlationId: string
  readonly replyTo: string | null
}
export type NewMessage = Content & {
  readonly channelId: string
  readonly conversationId: string
  readonly contactId: string
  readonly priority: number
  readonly queuedAt: Date
  readonly queuedPosition: Position
}

/**
 * What the events of one page made of one message. Absent fields stay as they are in the row.
 * `gone: 'if_waiting'`: a status proves that the provider has it, so a row that waits for another try or for a decision, or was given up, is settled;
 * one that is being sent is not, its result is on its way.
 */
export type OutboxChange = {
  readonly tenantId: string
  readonly messageId: string
  readonly position: Position
  readonly queued?: NewMessage
  readonly state?: OutboxState
  readonly attempt?: number
  readonly dueAt?: Date
  /** Somebody asked for another try: the attempts until then no longer count. `known`: how many they were, where this page tells. */
  readonly retried?: { readonly known: number | undefined; readonly conversationId: string }
  readonly gone?: 'always' | 'if_waiting'
}

/** A page of the log → one change per message. Pure: what it says does not depend on how the log was cut into pages. */
export function outboxChanges(events: readonly RecordedEvent[]): readonly OutboxChange[] {
  const changes = new Map<string, OutboxChange>()
  for (const recorded of events) {
    if (!isOutboxType.has(recorded.type)) continue
    const event = fromStored<OutboxEvent>(recorded)
    const key = `${recorded.stream.tenantId} ${event.messageId}`
    const before = changes.get(key)
    const next = apply(before, event, recorded)
    if (next !== undefined) changes.set(key, { ...next, position: recorded.position })
  }
  return [...changes.values()]
}

function apply(before: OutboxChange | undefined, event: OutboxEvent, recorded: RecordedEvent): OutboxChange | undefined {
  const { gone: _, ...kept } = before ?? { tenantId: recorded.stream.tenantId, messageId: event.messageId, position: recorded.position }
  switch (event.type) {
    case 'MessageQueued':
      return { ...kept, state: 'queued', attempt: 0, dueAt: recorded.recordedAt, queued: newMessage(event, recorded) }
    case 'SendAttempted':
      return { ...kept, state: 'sending', attempt: event.attempt }
    case 'SendDeferred':
      return { ...kept, state: 'queued', attempt: event.attempt, dueAt: new Date(event.retryAt) }
    case 'SendFailed':
      return { ...kept, state: 'failed', attempt: event.attempt }
    case 'SendOutcomeUnknown':
      // Since when it waits for a decision.
      return { ...kept, state: 'unknown', attempt: event.attempt, dueAt: recorded.recordedAt }
    case 'SendRetried':
      return { ...kept, state: 'queued', dueAt: recorded.recordedAt, retried: { known: kept.attempt, conversationId: recorded.stream.id } }
    case 'SendResolved':
      return event.as === 'sent' ? { ...kept, gone: 'always' } : { ...kept, state: 'failed' }
    case 'SendAccepted':
      return { ...kept, gone: 'always' }
    case 'MessageStatusChanged':
      return settled(before, kept)
    default:
      return event satisfies never
  }
}

/** Only where this page does not tell the state must the row be asked. */
function settled(before: OutboxChange | undefined, kept: OutboxChange): OutboxChange | undefined {
  const tried = kept.attempt !== 0
  if (before?.gone === 'always' || kept.state === 'sending' || !tried) return before
  if (kept.state === undefined) return { ...kept, gone: 'if_waiting' }
  return { ...kept, gone: 'always' }
}

function newMessage(event: Extract<OutboxEvent, { type: 'MessageQueued' }>, recorded: RecordedEvent): NewMessage {
  return {
    channelId: event.channelId,
    conversationId: recorded.stream.id,
    contactId: event.contactId,
    priority: rankOf[event.priority],
    messageType: event.messageType,
    content: sealedText(event.content),
    eventId: recorded.id,
    correlationId: recorded.meta.correlationId,
    replyTo: event.replyTo?.providerId ?? null,
    queuedAt: recorded.recordedAt,
    queuedPosition: recorded.position,
  }
}
