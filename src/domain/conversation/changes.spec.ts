import { describe, expect, it } from 'vitest'
import { recordChange, type RecordChange } from './changes.ts'
import { conversation } from './conversation.ts'
import type { ConversationEvent } from './events.ts'

const parties = { channelId: 'channel', contactId: 'contact' }
const started: ConversationEvent = { type: 'ConversationStarted', ...parties, by: 'inbound' }
const facts = { targetId: 'wamid.T', providerId: 'wamid.C', at: '2026-01-01T12:00:00Z' }
const changes: readonly RecordChange['change'][] = [
  { kind: 'reaction', ...facts, emoji: '👍' },
  { kind: 'reaction', ...facts },
  { kind: 'edit', ...facts, messageType: 'text', content: '{"text":{"body":"Hi!"}}' },
  { kind: 'revoke', ...facts },
]
const command = (change: RecordChange['change'], kind: 'contact' | 'phone' = 'contact'): RecordChange => ({
  type: 'recordChange',
  ...parties,
  by: { kind },
  change,
})
const eventsOf = (decision: object): readonly ConversationEvent[] => ('events' in decision ? (decision.events as readonly ConversationEvent[]) : [])

describe('a reaction, an edit or a revoke', () => {
  it.each(changes)('names the message it changes by the id of the provider, known here or not: $kind', (change) => {
    const state = [started].reduce(conversation.evolve, conversation.initial)
    expect(eventsOf(recordChange(command(change), state))).toMatchObject([{ ...parties, targetId: 'wamid.T', providerId: 'wamid.C', at: facts.at }])
  })
  it.each(changes)('changes nothing when it is repeated: $kind', (change) => {
    const events = [started, ...eventsOf(recordChange(command(change), [started].reduce(conversation.evolve, conversation.initial)))]
    expect(recordChange(command(change), events.reduce(conversation.evolve, conversation.initial))).toEqual({ events: [] })
  })
  it.each(changes)('begins the conversation when it is the first that comes, and is neither unread nor opens a window: $kind', (change) => {
    const events = eventsOf(recordChange(command(change, 'phone'), conversation.initial))
    expect(events).toMatchObject([{ type: 'ConversationStarted', by: 'outbound' }, { targetId: 'wamid.T' }])
    const state = events.reduce(conversation.evolve, conversation.initial)
    expect([state.unread.size, state.lastInboundAt]).toEqual([0, undefined])
  })
  it('keeps emoji and words as secrets', () => {
    const [reaction, off, edit] = changes.map((change) => eventsOf(recordChange(command(change), conversation.initial))[1])
    expect(reaction).toMatchObject({ emoji: { plain: '👍' } })
    expect(off).not.toHaveProperty('emoji')
    expect(edit).toMatchObject({ content: { plain: '{"text":{"body":"Hi!"}}' } })
  })
})
