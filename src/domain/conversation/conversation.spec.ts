import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { conversation, type ConversationCommand } from './conversation.ts'
import type { ConversationEvent, ProviderStatus } from './events.ts'
import { statusRank } from './status-rank.ts'
import type { Conversation } from './state.ts'

const noon = new Date('2026-01-01T12:00:00Z')
const hours = (n: number) => new Date(noon.getTime() + n * 3_600_000)

const given = (...events: ConversationEvent[]): Conversation => events.reduce(conversation.evolve, conversation.initial)
const when = (state: Conversation, ...commands: ConversationCommand[]): { state: Conversation; events: ConversationEvent[] } =>
  commands.reduce<{ state: Conversation; events: ConversationEvent[] }>(
    ({ state, events }, command) => {
      const decision = conversation.decide(command, state)
      if ('refused' in decision) throw new Error(`refused: ${decision.refused}`)
      return { state: decision.events.reduce(conversation.evolve, state), events: [...events, ...decision.events] }
    },
    { state, events: [] },
  )

const inbound = (n: number, at = noon): ConversationCommand => ({
  type: 'receive',
  channelId: 'ch',
  contactId: 'co',
  messageId: `in-${n}`,
  providerId: `wamid.${n}`,
  messageType: 'text',
  content: '{"text":{"body":"Hola"}}',
  at: at.toISOString(),
})
const answer: ConversationCommand = {
  type: 'queue',
  channelId: 'ch',
  contactId: 'co',
  messageId: 'out',
  messageType: 'text',
  content: '{"text":{"body":"Hi"}}',
  sentBy: { kind: 'user', id: 'ana' },
  priority: 'agent',
  at: hours(1),
}
const attempt = (n: number): ConversationCommand => ({ type: 'recordAttempt', messageId: 'out', attempt: n })
const accepted: ConversationCommand = { type: 'recordAccepted', messageId: 'out', attempt: 1, providerId: 'wamid.out' }
const status = (status: ProviderStatus): ConversationCommand => ({
  type: 'recordStatus',
  messageId: 'out',
  providerId: 'wamid.out',
  status,
  at: noon.toISOString(),
})
const types = (events: ConversationEvent[]) => events.map(({ type }) => type)

describe('receiving', () => {
  it('starts the conversation with the first message', () => {
    expect(types(when(given(), inbound(1)).events)).toEqual(['ConversationStarted', 'MessageReceived'])
  })
  it('does nothing for a message that is there already', () => {
    expect(when(given(), inbound(1), inbound(1), inbound(2), inbound(1)).state.unread.toArray()).toEqual(['in-1', 'in-2'])
  })
  it('reopens what was resolved', () => {
    const { events } = when(given(), inbound(1), { type: 'setStatus', status: 'resolved' }, inbound(2))
    expect(types(events).slice(-2)).toEqual(['MessageReceived', 'ConversationReopened'])
  })
  it('wakes what was snoozed', () => {
    const { state } = when(given(), inbound(1), { type: 'snooze', until: hours(5), at: noon }, inbound(2))
    expect(state).toMatchObject({ status: 'open' })
    expect(state.snoozedUntil).toBeUndefined()
  })
})

describe('the service window', () => {
  it('is closed where the customer never wrote', () => {
    expect(conversation.decide(answer, given())).toEqual({ refused: 'window_closed' })
  })
  it('is open for 24 hours after the last message of the customer, whatever order the messages came in', () => {
    const { state } = when(given(), inbound(1, hours(-10)), inbound(2, hours(-20)))
    expect(conversation.decide({ ...answer, at: hours(13.9) }, state)).toHaveProperty('events')
    expect(conversation.decide({ ...answer, at: hours(14) }, state)).toEqual({ refused: 'window_closed' })
  })
  it('does not hold back templates', () => {
    expect(types(when(given(), { ...answer, messageType: 'template' }).events)).toEqual(['ConversationStarted', 'MessageQueued'])
  })
})

describe('sending', () => {
  const queued = when(given(), inbound(1), answer).state

  it('queues the same message once', () => {
    expect(conversation.decide(answer, queued)).toEqual({ events: [] })
  })
  it('gives the right to call to one attempt only', () => {
    const { state } = when(queued, attempt(1))
    expect(conversation.decide(attempt(1), state)).toEqual({ refused: 'not_queued' })
    expect(conversation.decide(attempt(2), state)).toEqual({ refused: 'not_queued' })
  })
  it('goes on with the next attempt after a deferral', () => {
    const error = { code: 'rate_limited', title: 'Too fast', retryable: true }
    const { state } = when(
      queued,
      attempt(1),
      { type: 'recordDeferred', messageId: 'out', attempt: 1, error, retryAt: noon.toISOString() },
      attempt(2),
    )
    expect(state.messages.get('out')).toMatchObject({ stage: 'sending', attempt: 2 })
    expect(conversation.decide(accepted, state)).toEqual({ refused: 'not_sending' })
  })
  it('is never sent again by itself when the outcome is unknown', () => {
    const { state } = when(queued, attempt(1), { type: 'recordUnknown', messageId: 'out', attempt: 1, reason: 'time-out' })
    expect(conversation.decide(attempt(2), state)).toEqual({ refused: 'not_queued' })
    expect(types(when(state, { type: 'retry', messageId: 'out' }, attempt(2)).events)).toEqual(['SendRetried', 'SendAttempted'])
  })
  it('learns from a status that an unknown outcome was a success', () => {
    const { state } = when(queued, attempt(1), { type: 'recordUnknown', messageId: 'out', attempt: 1, reason: 'time-out' }, status('delivered'))
    expect(state.messages.get('out')).toMatchObject({ stage: 'accepted', providerId: 'wamid.out' })
    expect(conversation.decide({ type: 'retry', messageId: 'out' }, state)).toEqual({ refused: 'not_retryable' })
  })
  it('does not call an outcome unknown that a status has proved', () => {
    const { events } = when(queued, attempt(1), status('sent'), { type: 'recordUnknown', messageId: 'out', attempt: 1, reason: 'time-out' })
    expect(events.at(-1)).toEqual({ type: 'SendAccepted', messageId: 'out', attempt: 1, providerId: 'wamid.out' })
  })
})

describe('trying again what the provider reported as failed', () => {
  const failed = when(given(), inbound(1), answer, attempt(1), accepted, status('sent'), status('failed')).state
  const second = (status: ProviderStatus): ConversationCommand => ({
    type: 'recordStatus',
    messageId: 'out',
    providerId: 'wamid.second',
    status,
    at: noon.toISOString(),
  })

  it('is a new attempt whose reports count from the beginning', () => {
    const again = when(failed, { type: 'retry', messageId: 'out' }, attempt(2), {
      type: 'recordAccepted',
      messageId: 'out',
      attempt: 2,
      providerId: 'wamid.second',
    })
    expect(types(when(again.state, second('sent'), second('failed')).events)).toEqual(['MessageStatusChanged', 'MessageStatusChanged'])
  })
  it('is not ended, nor failed, by a late report of the try before', () => {
    const { state } = when(failed, { type: 'retry', messageId: 'out' })
    expect(conversation.decide(status('delivered'), state)).toEqual({ events: [] })
    const sent = when(state, attempt(2), { type: 'recordAccepted', messageId: 'out', attempt: 2, providerId: 'wamid.second' }).state
    expect(conversation.decide(status('failed'), sent)).toEqual({ events: [] })
    expect(sent.messages.get('out')).toMatchObject({ stage: 'accepted', providerId: 'wamid.second' })
  })
  it('is refused once it was delivered after all', () => {
    const { state } = when(failed, status('delivered'))
    expect(conversation.decide({ type: 'retry', messageId: 'out' }, state)).toEqual({ refused: 'not_retryable' })
  })
})

describe('statuses', () => {
  const sent = when(given(), inbound(1), answer, attempt(1), accepted).state

  it('of a message nobody knows are refused, to be kept until it comes', () => {
    expect(conversation.decide({ ...status('sent'), messageId: 'other', providerId: 'wamid.other' } as ConversationCommand, sent)).toEqual({
      refused: 'unknown_message',
    })
  })
  it('end the same whatever order and however often they come', () => {
    const all: ProviderStatus[] = ['sent', 'delivered', 'read', 'played', 'failed']
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...all), { maxLength: 12 }), (reports) => {
        const { events } = when(sent, ...reports.map(status))
        const seen = events.flatMap((event) => (event.type === 'MessageStatusChanged' ? [event.status] : []))
        expect(seen.length).toBe(new Set(seen).size)
        expect(new Set(seen)).toEqual(new Set(reports))
      }),
    )
  })
  it('put failed between sent and delivered', () => {
    expect(
      Object.entries(statusRank)
        .sort((a, b) => a[1] - b[1])
        .map(([name]) => name),
    ).toEqual(['sent', 'failed', 'delivered', 'read', 'played'])
  })
})

describe('reading', () => {
  const three = when(given(), inbound(1), inbound(2), inbound(3)).state

  it('counts what is left after the message that was seen', () => {
    expect(conversation.decide({ type: 'markRead', throughMessageId: 'in-2' }, three)).toEqual({
      events: [{ type: 'ConversationRead', throughMessageId: 'in-2', unread: 1 }],
    })
  })
  it('never moves back', () => {
    const { state } = when(three, { type: 'markRead', throughMessageId: 'in-2' })
    expect(conversation.decide({ type: 'markRead', throughMessageId: 'in-1' }, state)).toEqual({ events: [] })
    expect(state.unread.toArray()).toEqual(['in-3'])
  })
})

describe('snoozing', () => {
  const open = when(given(), inbound(1)).state

  it('is refused for a moment that has passed', () => {
    expect(conversation.decide({ type: 'snooze', until: noon, at: hours(1) }, open)).toEqual({ refused: 'snooze_in_the_past' })
  })
  it('ends when its moment has come and not before', () => {
    const { state } = when(open, { type: 'snooze', until: hours(5), at: noon })
    expect(conversation.decide({ type: 'wake', at: hours(4) }, state)).toEqual({ events: [] })
    expect(conversation.decide({ type: 'wake', at: hours(5) }, state)).toEqual({ events: [{ type: 'ConversationReopened', by: 'timer' }] })
  })
})
