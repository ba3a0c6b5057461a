import { happened, nothing, type Decision } from '../kernel/decider.ts'
import { plain } from '../kernel/secret.ts'
import type { ConversationEvent, Reactor } from './events.ts'
import type { Conversation } from './state.ts'

/** A reaction, an edit or a revoke, by whoever wrote the message that it changes or looks at it. */
export type RecordChange = {
  type: 'recordChange'
  channelId: string
  contactId: string
  by: Reactor
  change: { targetId: string; providerId: string; at: string } & (
    | { kind: 'reaction'; emoji?: string }
    | { kind: 'edit'; messageType: string; content: string }
    | { kind: 'revoke' }
  )
}

/**
 * Each change once, in whatever order: which of several counts is decided by their own times in the read model, and the message they change may come
 * after them or never. None of them is unread, wakes the conversation or opens the window.
 */
export function recordChange({ channelId, contactId, by, change }: RecordChange, conversation: Conversation): Decision<ConversationEvent, never> {
  if (conversation.changes.has(change.providerId)) return nothing
  const changed = eventOf(change, by)
  return conversation.status === 'none'
    ? happened<ConversationEvent>({ type: 'ConversationStarted', channelId, contactId, by: by.kind === 'contact' ? 'inbound' : 'outbound' }, changed)
    : happened(changed)
}

function eventOf(change: RecordChange['change'], by: Reactor): ConversationEvent {
  const { targetId, providerId, at } = change
  switch (change.kind) {
    case 'reaction':
      return { type: 'MessageReacted', targetId, providerId, by, ...(change.emoji === undefined ? {} : { emoji: plain(change.emoji) }), at }
    case 'edit':
      return { type: 'MessageEdited', targetId, providerId, messageType: change.messageType, content: plain(change.content), at }
    case 'revoke':
      return { type: 'MessageRevoked', targetId, providerId, at }
    default:
      return change satisfies never
  }
}
