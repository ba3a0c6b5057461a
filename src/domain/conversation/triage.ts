import { happened, nothing, refuse, type Decision } from '../kernel/decider.ts'
import type { ConversationEvent } from './events.ts'
import type { Conversation } from './state.ts'

export type MarkRead = { type: 'markRead'; throughMessageId?: string }
export type SetStatus = { type: 'setStatus'; status: 'open' | 'pending' | 'resolved' }
export type Snooze = { type: 'snooze'; until: Date; at: Date }
export type Wake = { type: 'wake'; at: Date }
export type Triage = MarkRead | SetStatus | Snooze | Wake

export type TriageRefusal = 'unknown_conversation' | 'snooze_in_the_past' | 'conversation_resolved'

/** Moves the read marker to a message, or to the newest. It never moves back: reading an older message again changes nothing. */
export function markRead(command: MarkRead, conversation: Conversation): Decision<ConversationEvent, TriageRefusal> {
  if (conversation.status === 'none') return refuse('unknown_conversation')
  const through = command.throughMessageId ?? conversation.unread.last()
  const place = through === undefined ? -1 : conversation.unread.indexOf(through)
  if (through === undefined || place === -1) return nothing
  return happened({ type: 'ConversationRead', throughMessageId: through, unread: conversation.unread.size - place - 1 })
}

export function setStatus({ status }: SetStatus, conversation: Conversation): Decision<ConversationEvent, TriageRefusal> {
  if (conversation.status === 'none') return refuse('unknown_conversation')
  if (conversation.status === status) return nothing
  switch (status) {
    case 'open':
      return happened({ type: 'ConversationReopened', by: 'agent' })
    case 'pending':
      return happened({ type: 'ConversationMarkedPending' })
    case 'resolved':
      return happened({ type: 'ConversationResolved' })
    default:
      return status satisfies never
  }
}

/** Hides a conversation until a moment. An inbound message wakes it earlier (see `receive`). */
export function snooze({ until, at }: Snooze, conversation: Conversation): Decision<ConversationEvent, TriageRefusal> {
  if (conversation.status === 'none') return refuse('unknown_conversation')
  if (conversation.status === 'resolved') return refuse('conversation_resolved')
  if (until <= at) return refuse('snooze_in_the_past')
  if (conversation.snoozedUntil === until.toISOString()) return nothing
  return happened({ type: 'ConversationSnoozed', until: until.toISOString() })
}

/** The timer's wish: only a snooze whose moment has come ends, so a timer that is late or early does no harm. */
export function wake({ at }: Wake, conversation: Conversation): Decision<ConversationEvent, TriageRefusal> {
  if (conversation.snoozedUntil === undefined || new Date(conversation.snoozedUntil) > at) return nothing
  return happened({ type: 'ConversationReopened', by: 'timer' })
}
