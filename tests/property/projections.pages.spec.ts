import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ConversationEvent } from '../../src/domain/conversation/events.ts'
import { evolve, initial, type Conversation } from '../../src/domain/conversation/state.ts'
import type { RecordedEvent } from '../../src/domain/kernel/envelope.ts'
import { conversations } from '../../src/projections/conversations/projection.ts'
import { rowKey } from '../../src/projections/engine/fold-page.ts'
import type { Projection } from '../../src/projections/engine/projection.ts'
import { messages } from '../../src/projections/messages/projection.ts'
import { projections } from '../../src/projections/index.ts'
import { foldPages } from '../support/fold.ts'
import { history } from '../support/histories.ts'
import { recordedLog } from '../support/recorded.ts'

function cut(log: readonly RecordedEvent[], places: readonly number[]): RecordedEvent[][] {
  const ends = [...new Set([...places.map((place) => place % (log.length + 1)), log.length])].sort((a, b) => a - b)
  return ends.map((end, index) => log.slice(ends[index - 1] ?? 0, end))
}

describe('the fold of every read model', () => {
  it('ends in the same rows however the log is cut into pages', () => {
    fc.assert(
      fc.property(history(120), fc.array(fc.nat(500), { maxLength: 20 }), (happened, places) => {
        const log = recordedLog(happened)
        for (const projection of projections) {
          const whole = foldPages(projection, [log])
          expect(foldPages(projection, cut(log, places))).toEqual(whole)
          expect(whole.parked).toEqual([])
        }
      }),
      { numRuns: 200 },
    )
  })

  it('never changes the row that it was given', () => {
    fc.assert(
      fc.property(history(60), (happened) => {
        const log = recordedLog(happened)
        for (const projection of projections) {
          const frozen: Projection = { ...projection, fold: (row, event, at) => projection.fold(Object.freeze(row), event, at) }
          expect(foldPages(frozen, [log]).parked).toEqual([])
        }
      }),
    )
  })

  it('agrees with the conversation itself about unread messages and state, and inbox and thread about the last status', () => {
    fc.assert(
      fc.property(history(120), (happened) => {
        const log = recordedLog(happened)
        const [inbox, threads] = [foldPages(conversations, [log]).rows, foldPages(messages, [log]).rows]
        const states = new Map<string, Conversation>()
        for (const [stream, event] of happened) {
          const key = rowKey(stream.tenantId, stream.id)
          states.set(key, evolve(states.get(key) ?? initial, event as ConversationEvent))
        }
        expect(inbox.size).toBe(states.size)
        for (const [key, state] of states) {
          const row = inbox.get(key)
          expect(row).toMatchObject({ unreadCount: state.unread.size, status: state.status })
          const last = threads.get(rowKey(key.slice(0, 36), String(row?.['lastMessageId'])))
          expect(row?.['lastMessageStatus'] ?? undefined).toBe(last?.['status'])
        }
      }),
    )
  })
})
