import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { recordedAt } from '../../../tests/support/recorded.ts'
import { rowsAfter } from '../../../tests/support/fold.ts'
import type { ConversationEvent, MessageError } from '../../domain/conversation/events.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { messages, type MessageRow, type StatusEntry } from './projection.ts'

type EventOf<Type extends ConversationEvent['type']> = Extract<ConversationEvent, { type: Type }>

const stream = streamRef('conversation', '0197c0de-0000-7000-8000-000000000001', 'conversation-1')
const ids = { messageId: 'message-1', channelId: 'channel-1', contactId: 'contact-1' }
const received: ConversationEvent = {
  ...ids,
  type: 'MessageReceived',
  providerId: 'wamid.1',
  messageType: 'text',
  content: { sealed: 'Y29udGVudA==' },
  replyTo: { providerId: 'wamid.0' },
  at: '2026-01-01T11:59:58Z',
}
const queued: ConversationEvent = {
  ...ids,
  type: 'MessageQueued',
  messageType: 'text',
  content: { sealed: 'YW5zd2Vy' },
  sentBy: { kind: 'user', id: 'ana', name: 'Ana' },
  priority: 'agent',
}
const attempted: ConversationEvent = { type: 'SendAttempted', messageId: 'message-1', attempt: 1 }
const accepted: ConversationEvent = { type: 'SendAccepted', messageId: 'message-1', attempt: 1, providerId: 'wamid.2' }
const refused: MessageError = { code: 'recipient_unavailable', title: 'Not on WhatsApp', retryable: false }
const failed: ConversationEvent = { type: 'SendFailed', messageId: 'message-1', attempt: 1, error: refused }
const reported = (status: 'sent' | 'delivered' | 'read' | 'played' | 'failed', at: string): ConversationEvent => ({
  type: 'MessageStatusChanged',
  messageId: 'message-1',
  providerId: 'wamid.2',
  status,
  at,
  ...(status === 'failed' ? { error: refused } : {}),
})

function after(...events: ConversationEvent[]): MessageRow {
  const [row] = rowsAfter(
    messages,
    events.map((event) => [stream, event]),
  )
  if (row === undefined) throw new Error('no row')
  return row
}
const historyOf = (row: MessageRow): string[] => (JSON.parse(row.statusHistory) as StatusEntry[]).map(({ status }) => status)

describe('the messages of a thread', () => {
  it('shows an inbound message with the time of the provider and the ciphertext as it came', () => {
    expect(after(received)).toMatchObject({
      id: 'message-1',
      conversationId: 'conversation-1',
      direction: 'inbound',
      type: 'text',
      status: 'received',
      providerId: 'wamid.1',
      replyTo: 'wamid.0',
      content: 'Y29udGVudA==',
      occurredAt: new Date('2026-01-01T11:59:58Z'),
      recordedAt: recordedAt(1),
      position: '1',
      version: 1,
    })
  })

  it('takes an answer from queued over sending, sent and delivered to read', () => {
    const steps = [
      queued,
      attempted,
      accepted,
      reported('sent', '2026-01-01T12:00:03Z'),
      reported('delivered', '2026-01-01T12:00:04Z'),
      reported('read', '2026-01-01T12:00:09Z'),
    ]
    expect(steps.map((_, index) => after(...steps.slice(0, index + 1)).status)).toEqual(['queued', 'sending', 'sent', 'sent', 'delivered', 'read'])
    const row = after(...steps)
    expect(historyOf(row)).toEqual(['queued', 'sending', 'sent', 'delivered', 'read'])
    expect(row).toMatchObject({ providerId: 'wamid.2', sentBy: '{"kind":"user","id":"ana","name":"Ana"}', version: 6 })
  })

  it('keeps its position, whatever happens to it later', () => {
    expect(after(queued, attempted, accepted).position).toBe('1')
  })

  it('is delivered when the report of it overtakes the answer to our call', () => {
    const row = after(queued, attempted, reported('delivered', '2026-01-01T12:00:02Z'), accepted)
    expect(row).toMatchObject({ status: 'delivered', providerId: 'wamid.2', error: null })
  })

  it('does not fall back from delivered to failed', () => {
    const row = after(queued, attempted, accepted, reported('delivered', '2026-01-01T12:00:05Z'), reported('failed', '2026-01-01T12:00:06Z'))
    expect(row).toMatchObject({ status: 'delivered', error: null })
  })

  it('says why it failed, until somebody asks for another attempt', () => {
    expect(after(queued, attempted, failed)).toMatchObject({ status: 'failed', error: JSON.stringify(refused) })
    const again = after(queued, attempted, failed, { type: 'SendRetried', messageId: 'message-1' })
    expect(again).toMatchObject({ status: 'queued', error: null })
    expect(historyOf(again)).toEqual(['queued', 'sending', 'failed', 'queued'])
  })

  it('waits in the queue with its reason when the provider wants it later', () => {
    const deferred: ConversationEvent = { type: 'SendDeferred', messageId: 'message-1', attempt: 1, error: refused, retryAt: '2026-01-01T12:01:00Z' }
    expect(after(queued, attempted, deferred)).toMatchObject({ status: 'queued', error: JSON.stringify(refused) })
    expect(after(queued, attempted, deferred, { ...attempted, attempt: 2 }, { ...accepted, attempt: 2 })).toMatchObject({
      status: 'sent',
      error: null,
    })
  })

  it('is unknown when nobody knows, and whatever the provider reports once it does', () => {
    const unknown: ConversationEvent = { type: 'SendOutcomeUnknown', messageId: 'message-1', attempt: 1, reason: 'time-out' }
    expect(after(queued, attempted, unknown)).toMatchObject({ status: 'unknown' })
    expect(after(queued, attempted, unknown, reported('read', '2026-01-01T12:00:09Z'))).toMatchObject({
      status: 'read',
      error: null,
      providerId: 'wamid.2',
    })
  })

  it('puts "sent" after the "sending" that led to it although the provider cuts its times to seconds', () => {
    const row = after(queued, attempted, reported('sent', '2026-01-01T12:00:02Z'), accepted)
    expect(historyOf(row)).toEqual(['queued', 'sending', 'sent'])
  })

  it('ends the same in whatever order the reports come, also around the answer to our call', () => {
    const late = [
      accepted,
      reported('sent', '2026-01-01T12:00:02Z'),
      reported('failed', '2026-01-01T12:00:02Z'),
      reported('delivered', '2026-01-01T12:00:03Z'),
      reported('read', '2026-01-01T12:00:03Z'),
      reported('played', '2026-01-01T12:00:07Z'),
    ]
    fc.assert(
      fc.property(fc.shuffledSubarray(late, { minLength: late.length }), (order) => {
        const { version: _, statusHistory, ...row } = after(queued, attempted, ...order)
        const { version: __, statusHistory: expected, ...inOrder } = after(queued, attempted, ...late)
        expect(row).toEqual(inOrder)
        // The time of our own record is that of its place in the log, so it is compared without it.
        const statuses = (history: string): string[] => (JSON.parse(history) as StatusEntry[]).map(({ status }) => status)
        expect(statuses(statusHistory)).toEqual(statuses(expected))
      }),
    )
  })

  it('keeps a word of the provider that it does not know in the history, and goes nowhere by it', () => {
    const deleted: ConversationEvent = {
      type: 'MessageStatusUnrecognised',
      messageId: 'message-1',
      providerId: 'wamid.2',
      status: 'deleted',
      at: '2026-01-01T12:00:09Z',
      raw: { sealed: 'cmF3' },
    }
    const row = after(queued, attempted, accepted, deleted)
    expect(row.status).toBe('sent')
    expect(historyOf(row)).toEqual(['queued', 'sending', 'sent', 'deleted'])
  })

  it('shows the price that the earliest report names, whichever comes first', () => {
    const priced = (status: 'sent' | 'delivered', category: string): ConversationEvent => ({
      ...(reported(status, '2026-01-01T12:00:09Z') as EventOf<'MessageStatusChanged'>),
      pricing: { category },
    })
    const [sent, delivered] = [priced('sent', 'utility'), priced('delivered', 'service')]
    for (const order of [
      [sent, delivered],
      [delivered, sent],
    ]) {
      expect(JSON.parse(after(queued, attempted, ...order).pricing ?? 'null')).toEqual({ of: 'sent', pricing: { category: 'utility' } })
    }
    expect(JSON.parse(after(queued, attempted, accepted, delivered).pricing ?? 'null')).toMatchObject({ of: 'delivered' })
  })

  const recorded: EventOf<'MessageRecorded'> = {
    ...ids,
    type: 'MessageRecorded',
    origin: 'history',
    direction: 'outbound',
    providerId: 'wamid.2',
    messageType: 'text',
    content: { sealed: 'aGlzdG9yeQ==' },
    status: 'read',
    at: '2025-06-01T08:00:00Z',
  }
  it('puts history where it belongs by its own time, and echoes of the phone where they came', () => {
    const written = new Date('2025-06-01T08:00:00Z')
    expect(after(recorded)).toMatchObject({
      direction: 'outbound',
      status: 'read',
      threadAt: written,
      occurredAt: written,
      sentBy: '{"kind":"phone"}',
    })
    expect(after({ ...recorded, origin: 'phone' })).toMatchObject({ threadAt: recordedAt(1), occurredAt: written })
    expect(after({ ...recorded, direction: 'inbound' })).toMatchObject({ status: 'received', sentBy: null })
  })
  it('takes statuses for what was written on the phone', () => {
    const { status: _none, ...echo } = { ...recorded, origin: 'phone' as const }
    expect(after(echo, reported('delivered', '2026-01-01T12:00:09Z')).status).toBe('delivered')
  })
  it('completes history whose body comes later', () => {
    const { messageId, channelId, contactId } = ids
    const completed: ConversationEvent = {
      type: 'MessageCompleted',
      messageId,
      channelId,
      contactId,
      providerId: 'wamid.2',
      messageType: 'image',
      content: { sealed: 'Ym9keQ==' },
    }
    const row = after({ ...recorded, messageType: 'media_placeholder' }, completed)
    expect(row).toMatchObject({ type: 'image', content: 'Ym9keQ==', threadAt: new Date('2025-06-01T08:00:00Z') })
    expect(row.eventId).not.toBe(after(recorded).eventId)
  })
  it('shows an echo that turns out to be ours once', () => {
    const echo: ConversationEvent = { ...recorded, origin: 'phone', messageId: 'echo' }
    const recognised: ConversationEvent = { type: 'EchoRecognised', messageId: 'echo', as: 'message-1', providerId: 'wamid.2' }
    const rows = rowsAfter(
      messages,
      [queued, attempted, echo, recognised, accepted].map((event) => [stream, event]),
    )
    expect(rows).toMatchObject([{ id: 'message-1', status: 'sent' }])
  })

  it('has no row for a report of a message that it never saw', () => {
    expect(rowsAfter(messages, [[stream, reported('read', '2026-01-01T12:00:09Z')]])).toEqual([])
  })
})
