import { describe, expect, it } from 'vitest'
import { conversation, type ConversationCommand } from './conversation.ts'
import type { ConversationEvent } from './events.ts'
import { initial, type Conversation } from './state.ts'

const at = '2026-10-09T08:00:00.000Z'
const ids = { channelId: 'channel', contactId: 'contact' }
const recorded = (more: object = {}): ConversationCommand => ({
  type: 'recordMessage',
  ...ids,
  messageId: 'echo-1',
  origin: 'phone',
  direction: 'outbound',
  providerId: 'wamid.1',
  messageType: 'text',
  content: '{"text":{"body":"Hola"}}',
  at,
  ...more,
})
const inbound: ConversationCommand = { ...ids, type: 'receive', messageId: 'in-1', providerId: 'wamid.in', messageType: 'text', content: '{}', at }
const queued: ConversationCommand = {
  ...ids,
  type: 'queue',
  messageId: 'ours',
  messageType: 'text',
  content: '{}',
  sentBy: { kind: 'user' },
  priority: 'agent',
  at: new Date(at),
}
const attempted: ConversationCommand = { type: 'recordAttempt', messageId: 'ours', attempt: 1 }
const accepted: ConversationCommand = { type: 'recordAccepted', messageId: 'ours', attempt: 1, providerId: 'wamid.1' }

function decided(command: ConversationCommand, state: Conversation): readonly ConversationEvent[] {
  const decision = conversation.decide(command, state)
  if ('refused' in decision) throw new Error(decision.refused)
  return decision.events
}
const after = (...commands: ConversationCommand[]): Conversation =>
  commands.reduce((state, command) => decided(command, state).reduce(conversation.evolve, state), initial)
const typesOf = (events: readonly ConversationEvent[]): string[] => events.map(({ type }) => type)

describe('a message that went by without us', () => {
  it('is part of the conversation once', () => {
    expect(typesOf(decided(recorded(), after(inbound)))).toEqual(['MessageRecorded'])
    expect(decided(recorded(), after(inbound, recorded()))).toEqual([])
  })
  it('neither wakes a resolved conversation nor counts as unread nor opens the window', () => {
    const before = after(inbound, { type: 'markRead' }, { type: 'setStatus', status: 'resolved' })
    const state = [recorded({ direction: 'inbound', messageId: 'x', providerId: 'wamid.x' }), recorded()].reduce(
      (one, command) => decided(command, one).reduce(conversation.evolve, one),
      before,
    )
    expect(state).toMatchObject({ status: 'resolved', lastInboundAt: before.lastInboundAt })
    expect(state.unread.size).toBe(0)
  })
  it('does not open the window of a conversation that begins with it', () => {
    const state = after(recorded({ origin: 'history', direction: 'inbound' }))
    expect(conversation.decide(queued, state)).toEqual({ refused: 'window_closed' })
  })
  it('takes statuses when it is outbound', () => {
    const status: ConversationCommand = { type: 'recordStatus', messageId: 'echo-1', providerId: 'wamid.1', status: 'read', at }
    expect(decided(status, after(recorded()))).toMatchObject([{ type: 'MessageStatusChanged', messageId: 'echo-1', status: 'read' }])
  })
})

describe('the echo of a message that was sent through us', () => {
  it('is nothing once the provider has answered our call', () => {
    expect(decided(recorded(), after(inbound, queued, attempted, accepted))).toEqual([])
  })
  it('is recognised when it overtakes the answer', () => {
    const events = decided(accepted, after(inbound, queued, attempted, recorded()))
    expect(events).toMatchObject([
      { type: 'EchoRecognised', messageId: 'echo-1', as: 'ours', providerId: 'wamid.1' },
      { type: 'SendAccepted', messageId: 'ours' },
    ])
  })
  it('is recognised by a status with our callback data, and then not again', () => {
    const status: ConversationCommand = { type: 'recordStatus', messageId: 'ours', providerId: 'wamid.1', status: 'sent', at }
    const before = after(inbound, queued, attempted, recorded())
    expect(decided(status, before)).toMatchObject([
      { type: 'EchoRecognised', messageId: 'echo-1', as: 'ours' },
      { type: 'MessageStatusChanged', messageId: 'ours', status: 'sent' },
    ])
    expect(typesOf(decided(accepted, after(inbound, queued, attempted, recorded(), status)))).toEqual(['SendAccepted'])
  })
  it('is not recorded a second time after it was recognised, and its late statuses are those of our message', () => {
    const state = after(inbound, queued, attempted, recorded(), accepted)
    expect(decided(recorded(), state)).toEqual([])
    const status: ConversationCommand = { type: 'recordStatus', messageId: 'echo-1', providerId: 'wamid.1', status: 'read', at }
    expect(decided(status, state)).toMatchObject([{ type: 'MessageStatusChanged', messageId: 'ours', status: 'read' }])
  })
})

describe('a message of history without its body', () => {
  const placeholder = recorded({ origin: 'history', messageType: 'media_placeholder', content: '{}' })
  const body = recorded({ origin: 'history', messageType: 'image', content: '{"image":{"id":"1"}}', media: { providerId: '1', kind: 'image' } })
  it('is completed when the body comes, once', () => {
    expect(decided(body, after(placeholder))).toMatchObject([
      { type: 'MessageCompleted', messageId: 'echo-1', messageType: 'image', media: { providerId: '1', kind: 'image' } },
    ])
    expect(decided(body, after(placeholder, body))).toEqual([])
  })
  it('changes nothing when the body was there before', () => {
    expect(decided(placeholder, after(body))).toEqual([])
  })
})
