import type { DomainEvent, EventType } from '../../domain/catalogue.ts'
import { inboundMessageId } from '../../domain/conversation/conversation.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { Projection } from '../engine/projection.ts'
import { actionOf, actions } from './actions.ts'

// One row per event of the log: where it stands, who, what, about what, and what it comes from. Nothing that a person said or is called, and no sentence:
// those are made of the event itself when somebody reads, so that whoever is erased is erased here too and a better sentence needs no rebuild.
// Version 1. `message` and `answers` are what a trace follows besides causes: a status belongs to the send it reports on, whichever delivery brought it.

export type AuditRow = {
  /** The event's. */
  readonly id: string
  readonly position: string
  readonly at: Date
  readonly action: string
  /** Not an action that a person would name: in traces, not in the list. */
  readonly noise: boolean
  readonly actorKind: string
  readonly actorId: string
  readonly entityType: string
  readonly entityId: string
  readonly correlationId: string
  readonly causationId: string
  readonly category: string
  readonly streamId: string
  readonly version: number
  /** Of what happened to one message. */
  readonly message: string | null
  /** The customer's message that this one of ours quotes. (Ids of the provider hold phone numbers; ours are made of them and lead nowhere.) */
  readonly answers: string | null
}

const handles = Object.keys(actions) as EventType[]

export const audit: Projection<AuditRow> = {
  name: 'audit',
  version: 1,
  handles,
  creates: handles,
  unhurried: true,
  table: {
    columns: {
      id: 'uuid',
      position: 'int8',
      at: 'timestamptz',
      action: 'text',
      noise: 'bool',
      actorKind: 'text',
      actorId: 'text',
      entityType: 'text',
      entityId: 'text',
      correlationId: 'text',
      causationId: 'text',
      category: 'text',
      streamId: 'text',
      version: 'int4',
      message: 'text',
      answers: 'text',
    },
    // All of them end in the position, in which the list is sorted: whatever is asked for is read off one of them.
    indexes: [
      { name: 'by_position', on: 'position', where: 'not noise' },
      { name: 'by_action', on: 'action, position' },
      { name: 'by_actor', on: 'actor_id, position', where: 'not noise' },
      { name: 'by_entity', on: 'entity_id, position', where: 'not noise' },
      { name: 'by_entity_type', on: 'entity_type, position', where: 'not noise' },
      { name: 'by_correlation', on: 'correlation_id, position', where: 'not noise' },
      { name: 'by_cause', on: 'causation_id, position' },
      { name: 'by_message', on: 'message, position', where: 'message is not null' },
      { name: 'answers', on: 'answers, position', where: 'answers is not null' },
    ],
  },
  key: (_event, at) => at.id,
  fold(_row, event, at) {
    const { action, noise } = actionOf(event.type)
    const { stream, meta } = at
    const entity = entityOf(event, at)
    return {
      id: at.id,
      position: BigInt(at.position).toString(),
      at: at.recordedAt,
      action,
      noise: noise === true,
      actorKind: meta.actor.kind,
      actorId: meta.actor.id,
      entityType: entity.type,
      entityId: entity.id,
      correlationId: meta.correlationId,
      causationId: meta.causationId,
      category: stream.category,
      streamId: stream.id,
      version: at.version,
      message: messageOf(event),
      answers: answersOf(event, stream.tenantId),
    }
  },
}

/** What it is about: its stream's aggregate, but for the few that stand in the stream of something else. */
function entityOf(event: DomainEvent, { stream }: RecordedEvent): { type: string; id: string } {
  if (event.type === 'ApiKeyIssued' || event.type === 'ApiKeyRevoked') return { type: 'api_key', id: event.keyId }
  if (event.type === 'AccessRecorded') return event.entity ?? { type: 'tenant', id: stream.tenantId }
  return { type: stream.category, id: stream.id }
}

/** What a trace looks for by message: where it began, where the provider took it, and what was reported of it. */
function messageOf(event: DomainEvent): string | null {
  switch (event.type) {
    case 'MessageReceived':
    case 'MessageRecorded':
    case 'MessageQueued':
    case 'SendAccepted':
    case 'MessageStatusChanged':
    case 'MessageStatusUnrecognised':
      return event.messageId
    default:
      return null
  }
}

const answersOf = (event: DomainEvent, tenantId: string): string | null =>
  event.type === 'MessageQueued' && event.replyTo !== undefined ? inboundMessageId(tenantId, event.channelId, event.replyTo.providerId) : null
