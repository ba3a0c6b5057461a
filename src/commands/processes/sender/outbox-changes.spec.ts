import { describe, expect, it } from 'vitest'
import type { ConversationEvent } from '../../../domain/conversation/events.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import { positionOf } from '../../../domain/kernel/position.ts'
import { outboxChanges } from './outbox-changes.ts'

const at = new Date('2026-01-01T12:00:00Z')
const error = { code: 'provider_130429', title: 'Too fast', retryable: true }
const queued: ConversationEvent = {
  type: 'MessageQueued',
  messageId: 'm',
  channelId: 'ch',
  contactId: 'co',
  messageType: 'text',
  content: { sealed: 'c2VhbGVk' },
  sentBy: { kind: 'user' },
  priority: 'campaign',
}
const attempted: ConversationEvent = { type: 'SendAttempted', messageId: 'm', attempt: 1 }
const deferred: ConversationEvent = { type: 'SendDeferred', messageId: 'm', attempt: 1, error, retryAt: '2026-01-01T12:00:09.000Z' }
const accepted: ConversationEvent = { type: 'SendAccepted', messageId: 'm', attempt: 1, providerId: 'wamid.1' }
const unknown: ConversationEvent = { type: 'SendOutcomeUnknown', messageId: 'm', attempt: 1, reason: 'time-out' }
const retried: ConversationEvent = { type: 'SendRetried', messageId: 'm' }
const delivered: ConversationEvent = {
  type: 'MessageStatusChanged',
  messageId: 'm',
  providerId: 'wamid.1',
  status: 'delivered',
  at: at.toISOString(),
}

const log = (...events: ConversationEvent[]): RecordedEvent[] =>
  events.map(({ type, ...data }, index) => ({
    id: `e${index + 1}`,
    type,
    schemaVersion: 1,
    data,
    meta: { occurredAt: at.toISOString(), correlationId: 'co', causationId: 'ca', actor: { kind: 'user', id: 'u' } },
    stream: { tenantId: 't', category: 'conversation', id: 'conv' },
    version: index + 1,
    position: positionOf(index + 1),
    recordedAt: at,
  }))
const changeOf = (...events: ConversationEvent[]) => outboxChanges(log(...events))[0]

describe('what a page of the log changes in the outbox', () => {
  it('puts in a queued message with all it takes to send it', () => {
    expect(changeOf(queued)).toMatchObject({
      tenantId: 't',
      messageId: 'm',
      position: positionOf(1),
      state: 'queued',
      attempt: 0,
      dueAt: at,
      queued: { channelId: 'ch', conversationId: 'conv', contactId: 'co', priority: 2, content: 'c2VhbGVk', eventId: 'e1', correlationId: 'co' },
    })
  })

  it('follows an attempt to its result', () => {
    expect(changeOf(attempted)).toMatchObject({ state: 'sending', attempt: 1 })
    expect(changeOf(attempted, deferred)).toMatchObject({ state: 'queued', attempt: 1, dueAt: new Date('2026-01-01T12:00:09Z') })
    expect(changeOf(attempted, unknown)).toMatchObject({ state: 'unknown', attempt: 1 })
    expect(changeOf(queued, attempted, accepted)).toMatchObject({ gone: 'always' })
  })

  it('begins to count the attempts anew when somebody asks for another try', () => {
    expect(changeOf(retried)).toMatchObject({ state: 'queued', retried: { known: undefined } })
    expect(changeOf(unknown, retried)).toMatchObject({ state: 'queued', attempt: 1, retried: { known: 1 } })
  })

  it('takes a status for proof that a message of unknown outcome arrived, and a waiting one too', () => {
    expect(changeOf(delivered)).toMatchObject({ gone: 'if_waiting' })
    expect(changeOf(unknown, delivered)).toMatchObject({ gone: 'always' })
    expect(changeOf(unknown, retried, delivered)).toMatchObject({ gone: 'always' })
  })

  it('lets a status that overtakes the answer wait for the answer', () => {
    expect(changeOf(attempted, delivered)).toMatchObject({ state: 'sending' })
    expect(changeOf(attempted, delivered)).not.toHaveProperty('gone')
    expect(changeOf(accepted, delivered)).toMatchObject({ gone: 'always' })
  })

  it('passes over everything else', () => {
    const other: ConversationEvent = { type: 'ConversationResolved' }
    expect(outboxChanges(log(other))).toEqual([])
  })
})
