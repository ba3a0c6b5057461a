import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { conversation, type ConversationCommand, type ConversationRefusal } from '../../../domain/conversation/conversation.ts'
import type { ConversationEvent } from '../../../domain/conversation/events.ts'
import type { Conversation } from '../../../domain/conversation/state.ts'
import { fromStored } from '../../../domain/kernel/codec.ts'
import type { Clock } from '../../../domain/kernel/clock.ts'
import type { CommandContext } from '../../../domain/kernel/context.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import { derivedId, eventId } from '../../../domain/kernel/ids.ts'
import { start, type Position } from '../../../domain/kernel/position.ts'
import { streamRef } from '../../../domain/kernel/stream.ts'
import type { Commands, Outcome } from '../../kernel/execute.ts'
import type { OutboxRow } from './outbox-table.ts'

export type Recorded = Outcome<ConversationEvent, ConversationRefusal, Conversation>
type Step = Extract<ConversationCommand, { messageId: string; attempt: number }>
type Message = Pick<OutboxRow, 'tenantId' | 'conversationId' | 'messageId'>
type Cause = { readonly eventId: string; readonly correlationId: string }

export type Recording = {
  /**
   * The right to call once. `holder` names one owner's hold of the channel: with the same id for everybody, a second owner's repeat would be answered
   * "stored already" and taken for its own right to call.
   */
  attempt: (message: Message, attempt: number, holder: string, cause: Cause) => Promise<Recorded>
  /**
   * The conversation as the log has it at this moment, past every cache, and whether the attempt on record is the holder's own
   * (then its answer got lost, and the call was not made).
   */
  lookUp: (message: Message, attempt: number, holder: string) => Promise<{ state: Conversation; position: Position; ours: boolean }>
  /** What came of an attempt. Tried until it is stored, or `signal`: after a call there is nothing better to do. */
  result: (message: Message, step: Exclude<Step, { type: 'recordAttempt' }>, cause: Cause, signal: AbortSignal) => Promise<Recorded>
  /** An attempt that fails without a call, as one append. */
  failure: (message: Message, step: Extract<Step, { type: 'recordFailed' }>, holder: string, cause: Cause) => Promise<Recorded>
}

export function createRecording({
  commands,
  store,
  clock,
  log,
}: {
  commands: Commands
  store: EventStore
  clock: Clock
  log: Pick<Logger, 'warn'>
}): Recording {
  const context = ({ tenantId }: Message, commandId: string, cause: Cause): CommandContext => ({
    tenantId,
    actor: { kind: 'process', id: 'sender' },
    commandId,
    correlationId: cause.correlationId,
    causationId: cause.eventId,
    at: clock(),
  })
  const attemptId = ({ messageId }: Message, attempt: number, holder: string): string =>
    derivedId('send', messageId, String(attempt), 'recordAttempt', holder)
  const stepId = ({ messageId, attempt, type }: Step): string => derivedId('send', messageId, String(attempt), type)

  return {
    attempt: async (message, attempt, holder, cause) =>
      commands.execute(
        conversation,
        message.conversationId,
        { type: 'recordAttempt', messageId: message.messageId, attempt },
        context(message, attemptId(message, attempt, holder), cause),
      ),
    async lookUp(message, attempt, holder) {
      const stream = streamRef('conversation', message.tenantId, message.conversationId)
      const wanted = eventId(attemptId(message, attempt, holder), stream, 0)
      let found = { state: conversation.initial, position: start, ours: false }
      for await (const event of store.readStream(stream)) {
        const state = conversation.evolve(found.state, fromStored(event))
        found = { state, position: event.position, ours: found.ours || event.id === wanted }
      }
      return found
    },
    async result(message, step, cause, signal) {
      for (let tries = 0; ; tries++) {
        try {
          return await commands.execute(conversation, message.conversationId, step, context(message, stepId(step), cause))
        } catch (error) {
          if (signal.aborted) throw error
          if (tries % 10 === 0) log.warn({ err: error, messageId: message.messageId }, 'the result of a send could not be stored yet')
          await sleep(Math.min(5_000, 100 * 2 ** tries), undefined, { signal }).catch(() => undefined)
        }
      }
    },
    async failure(message, step, holder, cause) {
      const { messageId, attempt } = step
      const { outcomes } = await commands.executeAll(conversation, message.conversationId, [
        { command: { type: 'recordAttempt', messageId, attempt }, context: context(message, attemptId(message, attempt, holder), cause) },
        { command: step, context: context(message, stepId(step), cause) },
      ])
      const [, outcome] = outcomes
      if (outcome === undefined) throw new Error('two commands have two outcomes')
      return outcome
    },
  }
}
