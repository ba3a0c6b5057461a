import { describe, expect, it } from 'vitest'
import { recordedAt } from '../../../tests/support/recorded.ts'
import { rowsAfter } from '../../../tests/support/fold.ts'
import type { ConversationEvent } from '../../domain/conversation/events.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { conversations, type ConversationRow } from './projection.ts'

const stream = streamRef('conversation', '0197c0de-0000-7000-8000-000000000001', 'conversation-1')
const started: ConversationEvent = { type: 'ConversationStarted', channelId: 'channel-1', contactId: 'contact-1', by: 'inbound' }
const received = (messageId: string, at: string): ConversationEvent => ({
  type: 'MessageReceived',
  messageId,
  channelId: 'channel-1',
  contactId: 'contact-1',
  providerId: `wamid.${messageId}`,
  messageType: 'text',
  content: { sealed: `sealed ${messageId}` },
  at,
})
const queued = (messageId: string): ConversationEvent => ({
  type: 'MessageQueued',
  messageId,
  channelId: 'channel-1',
  contactId: 'contact-1',
  messageType: 'text',
  content: { sealed: `sealed ${messageId}` },
  sentBy: { kind: 'api' },
  priority: 'agent',
})
const noon = '2026-01-01T12:00:00Z'
const later = '2026-01-01T12:05:00Z'

function after(...events: ConversationEvent[]): ConversationRow {
  const [row] = rowsAfter(
    conversations,
    events.map((event) => [stream, event]),
  )
  if (row === undefined) throw new Error('no row')
  return row
}

describe('the inbox', () => {
  it('shows a conversation once somebody writes: unread, with the message and an open window of 24 hours', () => {
    expect(after(started, received('m1', noon))).toMatchObject({
      id: 'conversation-1',
      status: 'open',
      unreadCount: 1,
      lastMessageId: 'm1',
      lastMessageDirection: 'inbound',
      lastMessageStatus: 'received',
      lastMessageContent: 'sealed m1',
      lastInboundAt: new Date(noon),
      windowExpiresAt: new Date('2026-01-02T12:00:00Z'),
      lastActivityAt: recordedAt(2),
      createdAt: recordedAt(1),
      version: 2,
    })
  })

  it('has no window before the customer wrote', () => {
    expect(after({ ...started, by: 'outbound' }, queued('m1'))).toMatchObject({ windowExpiresAt: null, unreadCount: 0, lastMessageStatus: 'queued' })
  })

  it('counts what came after the read marker', () => {
    const marked: ConversationEvent = { type: 'ConversationRead', throughMessageId: 'm1', unread: 1 }
    const before = [started, received('m1', noon), received('m2', later), marked]
    expect(after(...before).unreadCount).toBe(1)
    expect(after(...before, received('m3', later)).unreadCount).toBe(2)
  })

  it('keeps the window of the latest message when an older one is delivered after it', () => {
    expect(after(started, received('m2', later), received('m1', noon)).lastInboundAt).toEqual(new Date(later))
  })

  it('follows the status of its last message and of no other', () => {
    const read = (messageId: string): ConversationEvent => ({ type: 'MessageStatusChanged', messageId, providerId: 'w', status: 'read', at: later })
    const sent = [started, received('m0', noon), queued('m1'), queued('m2')]
    expect(after(...sent, { type: 'SendAttempted', messageId: 'm2', attempt: 1 }).lastMessageStatus).toBe('sending')
    expect(after(...sent, read('m2')).lastMessageStatus).toBe('read')
    expect(after(...sent, read('m1')).lastMessageStatus).toBe('queued')
  })

  it('carries the version of the stream also after events that change nothing it shows: it is the ETag', () => {
    const about: ConversationEvent = { type: 'SendAttempted', messageId: 'm1', attempt: 1 }
    expect(after(started, queued('m1'), queued('m2'), about).version).toBe(4)
  })

  it('does not move up for a status, only for a message', () => {
    const row = after(started, queued('m1'), { type: 'SendAttempted', messageId: 'm1', attempt: 1 })
    expect(row).toMatchObject({ lastActivityAt: recordedAt(2), updatedAt: recordedAt(3) })
  })

  it.each<[ConversationEvent[], Partial<ConversationRow>]>([
    [[{ type: 'ConversationMarkedPending' }], { status: 'pending', snoozedUntil: null }],
    [[{ type: 'ConversationSnoozed', until: later }], { status: 'snoozed', snoozedUntil: new Date(later) }],
    [
      [
        { type: 'ConversationSnoozed', until: later },
        { type: 'ConversationReopened', by: 'timer' },
      ],
      { status: 'open', snoozedUntil: null },
    ],
    [[{ type: 'ConversationSnoozed', until: later }, { type: 'ConversationResolved' }], { status: 'resolved', snoozedUntil: null }],
  ])('shows the state of its triage after %j', (events, expected) => {
    expect(after(started, received('m1', noon), ...events)).toMatchObject(expected)
  })
})
