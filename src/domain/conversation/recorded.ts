import { happened, nothing, type Decision } from '../kernel/decider.ts'
import { plain } from '../kernel/secret.ts'
import type { ConversationEvent, MediaReference, ProviderStatus } from './events.ts'
import { outgoingOf, placeholderType, type Conversation } from './state.ts'

/** A message that went by without us: an echo of the phone, or history. */
export type RecordMessage = {
  type: 'recordMessage'
  channelId: string
  contactId: string
  messageId: string
  origin: 'phone' | 'history'
  direction: 'inbound' | 'outbound'
  providerId: string
  messageType: string
  content: string
  raw?: string
  replyTo?: { providerId: string }
  media?: MediaReference
  status?: ProviderStatus
  at: string
  claimedAt?: string
}

/** Once, and not at all where the message is known already: the echo of what was sent through us, history that overlaps with what was received. */
export function recordMessage(command: RecordMessage, conversation: Conversation): Decision<ConversationEvent, never> {
  const { type: _type, content, raw, ...facts } = command
  if (conversation.messages.has(facts.messageId)) return completeMessage(command, conversation)
  if (conversation.providerIds.has(facts.providerId)) return nothing
  const recorded: ConversationEvent = {
    type: 'MessageRecorded',
    ...facts,
    content: plain(content),
    ...(raw === undefined ? {} : { raw: plain(raw) }),
  }
  const { channelId, contactId, direction } = facts
  return conversation.status === 'none'
    ? happened<ConversationEvent>({ type: 'ConversationStarted', channelId, contactId, by: direction }, recorded)
    : happened(recorded)
}

type Completion = Pick<RecordMessage, 'messageId' | 'channelId' | 'contactId' | 'providerId' | 'messageType' | 'content' | 'raw' | 'media'>

/** The body of a message that is only a place until now. Of one that has its body it changes nothing, so the placeholder may also come last. */
export function completeMessage(command: Completion, conversation: Conversation): Decision<ConversationEvent, never> {
  const { messageId, channelId, contactId, providerId, messageType, content, raw, media } = command
  if (!conversation.placeholders.has(messageId) || messageType === placeholderType) return nothing
  return happened({
    type: 'MessageCompleted',
    messageId,
    channelId,
    contactId,
    providerId,
    messageType,
    content: plain(content),
    ...(raw === undefined ? {} : { raw: plain(raw) }),
    ...(media === undefined ? {} : { media }),
  })
}

/**
 * Before the provider's id is given to a message of ours: an echo with that id may have come first and stand in the thread as a message of the phone.
 * The two are one, and ours is it, because statuses and whoever sent it know that one.
 */
export function recogniseEcho(conversation: Conversation, messageId: string, providerId: string): readonly ConversationEvent[] {
  const taken = conversation.providerIds.get(providerId)
  // Attempt 0: nobody here ever tried to send it, so it can only have been recorded.
  if (taken === undefined || taken === messageId || outgoingOf(conversation, taken)?.attempt !== 0) return []
  return [{ type: 'EchoRecognised', messageId: taken, as: messageId, providerId }]
}
