import { describe, expect, it } from 'vitest'
import { conversation, type ConversationCommand } from './conversation.ts'
import type { ConversationEvent } from './events.ts'
import { isOfCustomer, type Conversation } from './state.ts'

const parties = { channelId: 'channel', contactId: 'contact' }
const at = '2026-01-01T12:00:00Z'
const started: ConversationEvent = { type: 'ConversationStarted', ...parties, by: 'outbound' }
const queued: ConversationEvent = {
  type: 'MessageQueued',
  ...parties,
  messageId: 'm1',
  messageType: 'text',
  content: { sealed: 'S' },
  sentBy: { kind: 'api' },
  priority: 'agent',
}
const accepted: readonly ConversationEvent[] = [
  { type: 'SendAttempted', messageId: 'm1', attempt: 1 },
  { type: 'SendAccepted', messageId: 'm1', attempt: 1, providerId: 'wamid.1' },
]
const given = (...events: ConversationEvent[]): Conversation => events.reduce(conversation.evolve, conversation.initial)

/** What comes of these commands, one after the other. */
function after(state: Conversation, ...commands: ConversationCommand[]): readonly ConversationEvent[] {
  const all: ConversationEvent[] = []
  for (const command of commands) {
    const decision = conversation.decide(command, all.reduce(conversation.evolve, state))
    if ('refused' in decision) throw new Error(decision.refused)
    all.push(...decision.events)
  }
  return all
}
const report = (status: string, more: object = {}): ConversationCommand => ({ type: 'recordStatus', providerId: 'wamid.1', status, at, ...more })

describe('reports on a message', () => {
  const sent = given(started, queued, ...accepted)

  it('to a group count once for each of its people, and say who', () => {
    const [ana, jo] = [
      { tag: 'aaaaaa', id: '1' },
      { tag: 'bbbbbb', id: '2' },
    ]
    const events = after(
      sent,
      report('delivered', { participant: ana }),
      report('delivered', { participant: jo }),
      report('delivered', { participant: ana }),
      report('read', { participant: ana }),
    )
    expect(events).toMatchObject([
      { status: 'delivered', participantTag: 'aaaaaa', participantId: { plain: '1' } },
      { status: 'delivered', participantTag: 'bbbbbb' },
      { status: 'read', participantTag: 'aaaaaa' },
    ])
    expect(events.reduce(conversation.evolve, sent).messages.get('m1')).toMatchObject({ reported: ['delivered', 'read'] })
  })
  it('in a word that we do not know are kept once and move nothing', () => {
    const events = after(sent, report('deleted', { raw: '{"status":"deleted"}' }), report('deleted', { raw: '{}' }))
    expect(events).toEqual([
      { type: 'MessageStatusUnrecognised', messageId: 'm1', providerId: 'wamid.1', status: 'deleted', at, raw: { plain: '{"status":"deleted"}' } },
    ])
    expect(events.reduce(conversation.evolve, sent).messages.get('m1')).toEqual(sent.messages.get('m1'))
  })
  it('that a reaction of ours failed take it off its message, once', () => {
    const reaction = given(started, { ...queued, messageType: 'reaction', reactsTo: 'wamid.T' }, ...accepted)
    expect(after(reaction, report('failed'), report('failed'))).toMatchObject([
      { type: 'MessageStatusChanged', status: 'failed' },
      { type: 'MessageReacted', ...parties, targetId: 'wamid.T', providerId: 'm1' },
    ])
    expect(after(sent, report('failed'))).toHaveLength(1)
  })
})

describe('what WhatsApp itself says in a conversation', () => {
  const system = (messageType: string): ConversationCommand => ({
    type: 'receive',
    ...parties,
    messageId: 's1',
    providerId: 'wamid.S',
    messageType,
    content: '{}',
    at,
  })
  it('wakes nothing, is unread for nobody and opens no window', () => {
    const resolved = given(started, { type: 'ConversationResolved' })
    const events = after(resolved, system('system'))
    expect(events.map(({ type }) => type)).toEqual(['MessageReceived'])
    const state = events.reduce(conversation.evolve, resolved)
    expect({ status: state.status, unread: state.unread.size, since: state.lastInboundAt }).toEqual({
      status: 'resolved',
      unread: 0,
      since: undefined,
    })
    expect(after(resolved, system('text')).map(({ type }) => type)).toEqual(['MessageReceived', 'ConversationReopened'])
    expect([isOfCustomer('system'), isOfCustomer('unsupported')]).toEqual([false, true])
  })
})
