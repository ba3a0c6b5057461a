import { describe, expect, it } from 'vitest'
import { recordedAt } from '../../../tests/support/recorded.ts'
import { rowsAfter } from '../../../tests/support/fold.ts'
import type { ConversationEvent } from '../../domain/conversation/events.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { conversations, type ConversationRow } from './projection.ts'

type EventOf<Type extends ConversationEvent['type']> = Extract<ConversationEvent, { type: Type }>

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

  const recorded = (messageId: string, at: string, origin: 'phone' | 'history'): ConversationEvent => ({
    type: 'MessageRecorded',
    messageId,
    channelId: 'channel-1',
    contactId: 'contact-1',
    origin,
    direction: origin === 'phone' ? 'outbound' : 'inbound',
    providerId: `wamid.${messageId}`,
    messageType: 'text',
    content: { sealed: `sealed ${messageId}` },
    at,
  })
  it('shows the message that was written last, whichever was delivered last', () => {
    expect(after(started, received('m2', later), received('m1', noon))).toMatchObject({ lastMessageId: 'm2', unreadCount: 2 })
    expect(after(started, received('m1', noon), received('m2', noon)).lastMessageId).toBe('m2')
  })
  it('takes in history without counting it, moving up by it or opening a window', () => {
    const old = '2025-06-01T08:00:00Z'
    expect(after(started, recorded('h1', old, 'history'))).toMatchObject({
      unreadCount: 0,
      windowExpiresAt: null,
      lastMessageId: 'h1',
      lastActivityAt: new Date(old),
    })
    const live = after(started, received('m1', noon), recorded('h1', old, 'history'))
    expect(live).toMatchObject({ lastMessageId: 'm1', unreadCount: 1, lastActivityAt: recordedAt(2), version: 3 })
  })
  it('moves up by what is written on the phone', () => {
    expect(after(started, received('m1', noon), recorded('p1', later, 'phone'))).toMatchObject({
      lastMessageId: 'p1',
      lastMessageDirection: 'outbound',
      lastMessageStatus: 'sent',
      lastActivityAt: recordedAt(3),
      unreadCount: 1,
    })
  })
  it('goes on with our message when its echo turns out to be it', () => {
    const recognised: ConversationEvent = { type: 'EchoRecognised', messageId: 'p1', as: 'm1', providerId: 'wamid.p1' }
    const row = after(started, queued('m1'), recorded('p1', later, 'phone'), recognised, {
      type: 'MessageStatusChanged',
      messageId: 'm1',
      providerId: 'wamid.p1',
      status: 'read',
      at: later,
    })
    expect(row).toMatchObject({ lastMessageId: 'm1', lastMessageStatus: 'read' })
  })
  it('has neither reactions of ours nor changes as its last message', () => {
    const parties = { channelId: 'channel-1', contactId: 'contact-1' }
    const reaction: ConversationEvent = { ...(queued('r1') as EventOf<'MessageQueued'>), messageType: 'reaction', reactsTo: 'wamid.m1' }
    const revoked: ConversationEvent = { type: 'MessageRevoked', ...parties, targetId: 'wamid.m1', providerId: 'wamid.K', at: later }
    expect(after(started, received('m1', noon), reaction, revoked)).toMatchObject({
      lastMessageId: 'm1',
      lastMessageProviderId: 'wamid.m1',
      lastActivityAt: recordedAt(2),
      version: 4,
    })
  })
  it('counts nothing as unread that WhatsApp itself says of the customer', () => {
    const system: ConversationEvent = { ...(received('s1', noon) as EventOf<'MessageReceived'>), messageType: 'system' }
    expect(after(started, system)).toMatchObject({ unreadCount: 0, windowExpiresAt: null, lastMessageId: 's1' })
  })

  describe('a free entry point', () => {
    const byAd: EventOf<'MessageReceived'> = { ...(received('m1', noon) as EventOf<'MessageReceived'>), entryPoint: { sourceType: 'ad' } }
    const accepted = (messageId: string): ConversationEvent => ({ type: 'SendAccepted', messageId, attempt: 1, providerId: `wamid.${messageId}` })
    it('is open for 72 hours from the first answer', () => {
      const row = after(started, byAd, queued('a1'), accepted('a1'), queued('a2'), accepted('a2'))
      expect(row).toMatchObject({ entryPointAt: new Date(noon), entryPointExpiresAt: new Date(recordedAt(4).getTime() + 72 * 3_600_000) })
    })
    it('is not there without an advertisement, without an answer, or when the answer came too late', () => {
      expect(after(started, received('m1', noon), queued('a1'), accepted('a1')).entryPointExpiresAt).toBeNull()
      expect(after(started, byAd).entryPointExpiresAt).toBeNull()
      const long: ConversationEvent = { ...byAd, at: '2025-12-31T11:00:00Z' }
      expect(after(started, long, queued('a1'), accepted('a1')).entryPointExpiresAt).toBeNull()
    })
    const sentAt = '2026-01-02T12:00:00.000Z'
    const told = (expiresAt: string): EventOf<'MessageStatusChanged'> => ({
      type: 'MessageStatusChanged',
      messageId: 'a1',
      providerId: 'wamid.a1',
      status: 'sent',
      at: sentAt,
      conversation: { id: 'c', origin: { type: 'referral_conversion' }, expiration_timestamp: String(Date.parse(expiresAt) / 1000) },
    })
    it('lasts as long as Meta says where that is longer', () => {
      const longer = '2026-01-05T11:59:00.000Z'
      expect(after(started, byAd, queued('a1'), accepted('a1'), told(longer)).entryPointExpiresAt).toEqual(new Date(longer))
      const other = { ...told(longer), conversation: { id: 'c', origin: { type: 'service' }, expiration_timestamp: '1767614340' } }
      expect(after(started, byAd, other).entryPointExpiresAt).toBeNull()
    })
    it('ends 72 hours after the report that tells of it, also where that says 2099', () => {
      const row = after(started, byAd, queued('a1'), accepted('a1'), told('2099-01-01T00:00:00.000Z'))
      expect(row.entryPointExpiresAt).toEqual(new Date('2026-01-05T12:00:00.000Z'))
    })
  })
})
