import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rowsAfter } from '../../../tests/support/fold.ts'
import { recordedAt } from '../../../tests/support/recorded.ts'
import type { ConversationEvent, Reactor } from '../../domain/conversation/events.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { changesId, messageChanges, type MessageChangesRow, type ReactionEntry } from './projection.ts'

const stream = streamRef('conversation', '0197c0de-0000-7000-8000-000000000001', 'conversation-1')
const parties = { channelId: 'channel-1', contactId: 'contact-1' }
const target = { ...parties, targetId: 'wamid.T' }
const second = (n: number): string => recordedAt(n).toISOString()

const reacted = (providerId: string, at: number, emoji: string | undefined, by: Reactor = { kind: 'contact' }): ConversationEvent => ({
  type: 'MessageReacted',
  ...target,
  providerId,
  by,
  ...(emoji === undefined ? {} : { emoji: { sealed: emoji } }),
  at: second(at),
})
const edited = (providerId: string, at: number): ConversationEvent => ({
  type: 'MessageEdited',
  ...target,
  providerId,
  messageType: 'text',
  content: { sealed: `sealed ${providerId}` },
  at: second(at),
})
const revoked = (providerId: string, at: number): ConversationEvent => ({ type: 'MessageRevoked', ...target, providerId, at: second(at) })
const sent = (messageId: string): ConversationEvent => ({
  type: 'MessageQueued',
  ...parties,
  messageId,
  messageType: 'reaction',
  content: { sealed: `sealed ${messageId}` },
  sentBy: { kind: 'user', id: 'ana' },
  priority: 'agent',
  reactsTo: 'wamid.T',
})
const takenBack = (messageId: string, at: number): ConversationEvent => reacted(messageId, at, undefined, { kind: 'api' })

function after(...events: ConversationEvent[]): MessageChangesRow & { standing: readonly string[] } {
  const [row] = rowsAfter(
    messageChanges,
    events.map((event) => [stream, event]),
  )
  if (row === undefined) throw new Error('no row')
  const entries = JSON.parse(row.reactions) as readonly ReactionEntry[]
  return { ...row, standing: entries.flatMap(({ seal }) => (seal === undefined ? [] : [seal.text])) }
}

describe('what happened to a message', () => {
  it('is kept before the message is there, under the name that the provider gives it', () => {
    expect(after(revoked('wamid.K', 1))).toMatchObject({ id: changesId('channel-1', 'wamid.T'), targetId: 'wamid.T', revokedAt: recordedAt(1) })
  })
  it('is the latest reaction of the customer, by the time of the provider', () => {
    expect(after(reacted('wamid.R2', 20, '❤️'), reacted('wamid.R1', 10, '👍')).standing).toEqual(['❤️'])
    expect(after(reacted('wamid.R1', 10, '👍'), reacted('wamid.R2', 20, undefined)).standing).toEqual([])
    expect(after(reacted('wamid.R2', 20, undefined), reacted('wamid.R1', 10, '👍')).standing).toEqual([])
  })
  it('is one reaction of the customer and one of ours, whoever of us put it', () => {
    const row = after(reacted('wamid.R1', 10, '👍'), sent('m1'), reacted('wamid.P', 50, '🙏', { kind: 'phone' }))
    expect(row.standing).toEqual(['👍', '🙏'])
    expect(JSON.parse(row.reactions)).toMatchObject([{ by: { kind: 'contact', id: 'contact-1' } }, { by: { kind: 'phone' } }])
  })
  it('is our reaction as soon as it is queued, and none once it failed', () => {
    expect(after(sent('m1')).standing).toEqual(['sealed m1'])
    expect(after(sent('m1'), takenBack('m1', 9)).standing).toEqual([])
  })
  it('is the later one of ours when the earlier fails after it', () => {
    expect(after(sent('m1'), sent('m2'), takenBack('m1', 9)).standing).toEqual(['sealed m2'])
  })
  it('is the latest edit and the first revoke', () => {
    const row = after(edited('wamid.E2', 20), edited('wamid.E1', 10), revoked('wamid.K2', 40), revoked('wamid.K1', 30))
    expect(row).toMatchObject({ editContent: 'sealed wamid.E2', editedAt: recordedAt(20), revokedAt: recordedAt(30) })
  })
  it('is nothing for other messages that we send', () => {
    const { reactsTo: _none, ...message } = sent('m1') as Extract<ConversationEvent, { type: 'MessageQueued' }>
    expect(rowsAfter(messageChanges, [[stream, message]])).toEqual([])
  })

  it('is the same in whatever order it comes, also within one second', () => {
    const change = fc.oneof(
      fc.record({
        kind: fc.constantFrom('on', 'off', 'edit', 'revoke', 'phone'),
        at: fc.integer({ min: 1, max: 4 }),
        emoji: fc.constantFrom('👍', '❤️'),
      }),
    )
    const changes = fc.array(change, { minLength: 2, maxLength: 12 })
    fc.assert(
      fc.property(
        changes.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray([...all.keys()], { minLength: all.length }))),
        ([all, order]) => {
          const events = all.map(({ kind, at, emoji }, index): ConversationEvent => {
            const id = `wamid.${index}`
            if (kind === 'edit') return edited(id, at)
            if (kind === 'revoke') return revoked(id, at)
            return reacted(id, at, kind === 'off' ? undefined : emoji, { kind: kind === 'phone' ? 'phone' : 'contact' })
          })
          // Which event it was sealed for, and at which version, differs with the place in the log.
          const seen = (row: MessageChangesRow): unknown =>
            JSON.parse(
              JSON.stringify({ ...row, reactions: JSON.parse(row.reactions) }, (key, value: unknown) =>
                /eventId|changedVersion/i.test(key) ? undefined : value,
              ),
            )
          const shuffled = order.flatMap((index) => events[index] ?? [])
          expect(seen(after(...shuffled))).toEqual(seen(after(...events)))
        },
      ),
    )
  })
})
