import { happened, nothing, refuse, type Decision } from '../kernel/decider.ts'
import type { ConversationEvent, MessageError, ProviderStatus } from './events.ts'
import { recogniseEcho } from './recorded.ts'
import { outgoingOf, type Conversation } from './state.ts'

/** The provider reports on a message, named by our id (echoed callback data), by the provider's id, or both. */
export type RecordStatus = {
  type: 'recordStatus'
  messageId?: string
  providerId: string
  status: ProviderStatus
  at: string
  error?: MessageError
  pricing?: Extract<ConversationEvent, { type: 'MessageStatusChanged' }>['pricing']
}

/** Each status of a message once, in whatever order; what is further than what is decided in `statusRank`, for all readers alike. */
export function recordStatus(command: RecordStatus, conversation: Conversation): Decision<ConversationEvent, 'unknown_message'> {
  const { providerId, status, at, error, pricing } = command
  const named = command.messageId
  // What our own callback data names is ours, also while an echo of it holds the provider's id.
  const isOurs = named !== undefined && outgoingOf(conversation, named) !== undefined
  const messageId = isOurs ? named : (conversation.providerIds.get(providerId) ?? named)
  const message = messageId === undefined ? undefined : outgoingOf(conversation, messageId)
  if (messageId === undefined || message === undefined) return refuse('unknown_message')
  // Of a try that somebody gave up: it must neither end the new try nor be taken for its failure.
  if (message.former?.includes(providerId) === true) return nothing
  if (message.reported.includes(status)) return nothing
  return happened(...recogniseEcho(conversation, messageId, providerId), {
    type: 'MessageStatusChanged',
    messageId,
    providerId,
    status,
    at,
    ...(error === undefined ? {} : { error }),
    ...(pricing === undefined ? {} : { pricing }),
  })
}
