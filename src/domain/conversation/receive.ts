import { happened, type Decision } from '../kernel/decider.ts'
import { plain } from '../kernel/secret.ts'
import type { ConversationEvent, MediaReference } from './events.ts'
import { completeMessage } from './recorded.ts'
import { isOfCustomer, type Conversation } from './state.ts'

/** A customer's message as the provider delivered it. `messageId` derives from the channel and the provider's id, so a repeat has the same one. */
export type Receive = {
  type: 'receive'
  channelId: string
  contactId: string
  messageId: string
  providerId: string
  messageType: string
  content: string
  raw?: string
  replyTo?: { providerId: string }
  media?: MediaReference
  entryPoint?: { sourceType: string; sourceId?: string; clickId?: string }
  at: string
  /** What the provider gave as the time, where that is later than when we got it, or no time. */
  claimedAt?: string
}

/** Any number of times and in any order: a message is there once, and only a new one wakes the conversation. */
export function receive(command: Receive, conversation: Conversation): Decision<ConversationEvent, never> {
  if (conversation.messages.has(command.messageId)) return completeMessage(command, conversation)
  const { channelId, contactId, messageId, providerId, messageType, replyTo, media, entryPoint, at, claimedAt } = command
  const received: ConversationEvent = {
    type: 'MessageReceived',
    messageId,
    channelId,
    contactId,
    providerId,
    messageType,
    content: plain(command.content),
    ...(command.raw === undefined ? {} : { raw: plain(command.raw) }),
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(media === undefined ? {} : { media }),
    ...(entryPoint === undefined ? {} : { entryPoint }),
    at,
    ...(claimedAt === undefined ? {} : { claimedAt }),
  }
  if (conversation.status === 'none')
    return happened<ConversationEvent>({ type: 'ConversationStarted', channelId, contactId, by: 'inbound' }, received)
  if (!isOfCustomer(messageType)) return happened(received)
  if (conversation.status === 'resolved' || conversation.status === 'snoozed') {
    return happened<ConversationEvent>(received, { type: 'ConversationReopened', by: 'inbound' })
  }
  return happened(received)
}
