import { happened, nothing, type Decision } from '../kernel/decider.ts'
import { plain } from '../kernel/secret.ts'
import type { ConversationEvent, Reactor } from './events.ts'
import { outgoingOf, type Conversation } from './state.ts'

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
  const changed = eventOf(change, by, { channelId, contactId })
  return conversation.status === 'none'
    ? happened<ConversationEvent>({ type: 'ConversationStarted', channelId, contactId, by: by.kind === 'contact' ? 'inbound' : 'outbound' }, changed)
    : happened(changed)
}

function eventOf(change: RecordChange['change'], by: Reactor, parties: { channelId: string; contactId: string }): ConversationEvent {
  const { targetId, providerId, at } = change
  switch (change.kind) {
    case 'reaction':
      return {
        type: 'MessageReacted',
        ...parties,
        targetId,
        providerId,
        by,
        ...(change.emoji === undefined ? {} : { emoji: plain(change.emoji) }),
        at,
      }
    case 'edit':
      return { type: 'MessageEdited', ...parties, targetId, providerId, messageType: change.messageType, content: plain(change.content), at }
    case 'revoke':
      return { type: 'MessageRevoked', ...parties, targetId, providerId, at }
    default:
      return change satisfies never
  }
}

/**
 * A reaction of ours that did not get through is taken off the message again: goes with the event of the failure. It bears the reaction's own id, so it
 * takes off that one and no later one.
 */
export function reactionTakenBack(conversation: Conversation, messageId: string, at: string): readonly ConversationEvent[] {
  const targetId = outgoingOf(conversation, messageId)?.reactsTo
  if (targetId === undefined || conversation.changes.has(messageId)) return []
  const { channelId, contactId } = conversation
  return [{ type: 'MessageReacted', channelId, contactId, targetId, providerId: messageId, by: { kind: 'api' }, at }]
}
