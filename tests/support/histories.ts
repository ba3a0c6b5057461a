import fc from 'fast-check'
import type { DomainEvent } from '../../src/domain/catalogue.ts'
import type { RecordChange } from '../../src/domain/conversation/changes.ts'
import { conversation, type ConversationCommand } from '../../src/domain/conversation/conversation.ts'
import { outgoingOf, type Conversation } from '../../src/domain/conversation/state.ts'
import { isSecret } from '../../src/domain/kernel/secret.ts'
import { streamRef, type StreamRef } from '../../src/domain/kernel/stream.ts'

const tenants = ['0197c0de-0000-7000-8000-00000000000a', '0197c0de-0000-7000-8000-00000000000b']
const noon = Date.parse('2026-01-01T12:00:00Z')

type Step = { tenant: number; conversation: number; message: number; wish: number; second: number }

/** Anything that may happen to few messages in few conversations of two tenants; the real decider says what comes of it. */
function commandOf({ conversation, message, wish, second }: Step, state: Conversation): ConversationCommand {
  const messageId = `c${conversation}.m${message}`
  const at = new Date(noon + second * 1_000)
  const parties = { channelId: 'channel', contactId: 'contact' }
  const ids = { ...parties, messageId, messageType: 'text', content: 'x' }
  const error = { code: 'e', title: 'e', retryable: true }
  const statuses = ['sent', 'delivered', 'read', 'played', 'failed'] as const
  const status = statuses[wish % 5] ?? 'sent'
  const outgoing = outgoingOf(state, messageId)
  const attempt = (outgoing?.attempt ?? 0) + (outgoing?.stage === 'queued' ? 1 : 0)
  const wishes: ConversationCommand[] = [
    { type: 'receive', ...ids, messageId: `in ${messageId}`, providerId: `wamid.in.${messageId}`, at: at.toISOString() },
    { type: 'queue', ...ids, sentBy: { kind: 'api' }, priority: 'agent', at },
    { type: 'recordAttempt', messageId, attempt },
    { type: 'recordAttempt', messageId, attempt },
    { type: 'recordAccepted', messageId, attempt, providerId: `wamid.${messageId}` },
    { type: 'recordDeferred', messageId, attempt, error, retryAt: at.toISOString() },
    { type: 'recordFailed', messageId, attempt, error, at: at.toISOString() },
    { type: 'resolve', messageId, as: second % 2 === 0 ? 'sent' : 'failed', by: 'person', at: at.toISOString() },
    { type: 'recordUnknown', messageId, attempt, reason: 'time-out' },
    { type: 'retry', messageId },
    { type: 'markRead' },
    { type: 'markRead', throughMessageId: `in ${messageId}` },
    { type: 'setStatus', status: 'resolved' },
    { type: 'recordChange', ...parties, by: { kind: 'contact' }, change: changeOf(wish, { targetId: `wamid.in.${messageId}`, second, at }) },
    { type: 'recordChange', ...parties, by: { kind: 'phone' }, change: changeOf(wish, { targetId: `wamid.${messageId}`, second, at }) },
    {
      type: 'recordMessage',
      ...ids,
      messageId: `by phone ${messageId}`,
      providerId: `wamid.phone.${messageId}`,
      origin: second % 2 === 0 ? 'phone' : 'history',
      direction: 'outbound',
      at: at.toISOString(),
    },
    { type: 'snooze', until: new Date(noon + 3_600_000), at },
    ...statuses.map((_, shift): ConversationCommand => ({
      type: 'recordStatus',
      messageId,
      providerId: `wamid.${messageId}`,
      status: statuses[(wish + shift) % 5] ?? status,
      at: at.toISOString(),
    })),
  ]
  return wishes[wish % wishes.length] ?? { type: 'markRead' }
}

function changeOf(wish: number, { targetId, second, at }: { targetId: string; second: number; at: Date }): RecordChange['change'] {
  const facts = { targetId, providerId: `${targetId} ${second}`, at: at.toISOString() }
  if (wish % 3 === 0) return { kind: 'revoke', ...facts }
  return wish % 3 === 1 ? { kind: 'reaction', ...facts, emoji: '👍' } : { kind: 'edit', ...facts, messageType: 'text', content: 'y' }
}

/** What is left in a store of a history of conversations, of `least` to `most` wishes: secrets sealed, in the order of the log. */
export const history = (most: number, least = 1): fc.Arbitrary<readonly (readonly [StreamRef, DomainEvent])[]> =>
  fc
    .array(
      fc.record({
        tenant: fc.nat(1),
        conversation: fc.nat(1),
        message: fc.nat(1),
        wish: fc.nat(100),
        second: fc.nat(30),
      }),
      { minLength: least, maxLength: most, size: 'max' },
    )
    .map((steps) => {
      const states = new Map<string, typeof conversation.initial>()
      return steps.flatMap((step) => {
        const stream = streamRef('conversation', tenants[step.tenant] ?? '', `c${step.conversation}`)
        const key = `${step.tenant} ${step.conversation}`
        const before = states.get(key) ?? conversation.initial
        const decision = conversation.decide(commandOf(step, before), before)
        if ('refused' in decision) return []
        states.set(
          key,
          decision.events.reduce((state, event) => conversation.evolve(state, event), before),
        )
        return decision.events.map((event) => [stream, sealed(event)] as const)
      })
    })

function sealed(event: DomainEvent): DomainEvent {
  return Object.fromEntries(
    Object.entries(event).map(([field, value]) => [field, isSecret(value) ? { sealed: `sealed ${field}` } : value]),
  ) as unknown as DomainEvent
}
