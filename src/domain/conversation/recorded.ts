import { happened, nothing, type Decision } from '../kernel/decider.ts'
import { plain } from '../kernel/secret.ts'
import type { ConversationEvent, MediaReference, ProviderStatus } from './events.ts'
import type { Conversation } from './state.ts'

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
}

/** Once, and not at all where the message is known already: the echo of what was sent through us, history that overlaps with what was received. */
export function recordMessage(command: RecordMessage, conversation: Conversation): Decision<ConversationEvent, never> {
  const { type: _type, content, raw, ...facts } = command
  if (conversation.messages.has(facts.messageId) || conversation.providerIds.has(facts.providerId)) return nothing
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
