import { happened, nothing, refuse, type Decision } from '../kernel/decider.ts'
import { plain } from '../kernel/secret.ts'
import type { ConversationEvent, MessageError, Priority, Sender } from './events.ts'
import { reactionTakenBack } from './changes.ts'
import { recogniseEcho } from './recorded.ts'
import { outgoingOf, type Conversation, type Outgoing } from './state.ts'
import { furthestStatus } from './status-rank.ts'

export type Queue = {
  type: 'queue'
  channelId: string
  contactId: string
  messageId: string
  messageType: string
  content: string
  replyTo?: { providerId: string }
  /** A reaction: the provider's id of the message that it stands on. */
  reactsTo?: string
  sentBy: Sender
  priority: Priority
  at: Date
}
export type RecordAttempt = { type: 'recordAttempt'; messageId: string; attempt: number }
export type RecordAccepted = { type: 'recordAccepted'; messageId: string; attempt: number; providerId: string }
export type RecordDeferred = { type: 'recordDeferred'; messageId: string; attempt: number; error: MessageError; retryAt: string }
export type RecordFailed = { type: 'recordFailed'; messageId: string; attempt: number; error: MessageError; at: string }
export type RecordUnknown = { type: 'recordUnknown'; messageId: string; attempt: number; reason: string }
/** `unknownAt`: only while the outcome of this attempt is unknown (the tenant's policy must not act on anything else). */
export type Retry = { type: 'retry'; messageId: string; unknownAt?: number }
/** Says what became of a message whose outcome is unknown. `unknownAt` as for `retry`. */
export type Resolve = {
  type: 'resolve'
  messageId: string
  as: 'sent' | 'failed'
  by: 'person' | 'policy'
  note?: string
  unknownAt?: number
  at: string
}
export type Sending = Queue | RecordAttempt | RecordAccepted | RecordDeferred | RecordFailed | RecordUnknown | Retry | Resolve

export type SendingRefusal = 'window_closed' | 'unknown_message' | 'not_queued' | 'not_sending' | 'not_retryable' | 'not_resolvable'
type Decided = Decision<ConversationEvent, SendingRefusal>

const serviceWindowMs = 24 * 60 * 60 * 1000

/** When the customer service window closes: 24 h after the customer's last message; undefined while there was none. */
export const windowExpiresAt = (lastInboundAt: string | undefined): Date | undefined =>
  lastInboundAt === undefined ? undefined : new Date(new Date(lastInboundAt).getTime() + serviceWindowMs)

/** Takes a message in for sending. Outside the service window only templates may go; the provider would refuse it later, we refuse it now. */
export function queue(command: Queue, conversation: Conversation): Decided {
  if (conversation.messages.has(command.messageId)) return nothing
  const { channelId, contactId, messageId, messageType, replyTo, reactsTo, sentBy, priority } = command
  const closes = windowExpiresAt(conversation.lastInboundAt)
  if (messageType !== 'template' && (closes === undefined || closes <= command.at)) return refuse('window_closed')
  const queued: ConversationEvent = {
    type: 'MessageQueued',
    messageId,
    channelId,
    contactId,
    messageType,
    content: plain(command.content),
    ...(replyTo === undefined ? {} : { replyTo }),
    sentBy,
    priority,
    ...(reactsTo === undefined ? {} : { reactsTo }),
  }
  if (conversation.status === 'none')
    return happened<ConversationEvent>({ type: 'ConversationStarted', channelId, contactId, by: 'outbound' }, queued)
  return happened(queued)
}

/**
 * The right to call the provider once. Of two senders that both believe they own the channel one is refused here, and so is a repeat:
 * whoever does not get the event must not call.
 */
export function recordAttempt({ messageId, attempt }: RecordAttempt, conversation: Conversation): Decided {
  const message = outgoingOf(conversation, messageId)
  if (message === undefined) return refuse('unknown_message')
  if (message.stage !== 'queued' || attempt !== message.attempt + 1) return refuse('not_queued')
  return happened({ type: 'SendAttempted', messageId, attempt })
}

/** Also after `unknown`: a late answer of the provider is better than none. */
export function recordAccepted({ messageId, attempt, providerId }: RecordAccepted, conversation: Conversation): Decided {
  return whileOpen(conversation, messageId, attempt, (message) =>
    message.stage === 'accepted'
      ? nothing
      : happened(...recogniseEcho(conversation, messageId, providerId), { type: 'SendAccepted', messageId, attempt, providerId }),
  )
}

export function recordDeferred({ messageId, attempt, error, retryAt }: RecordDeferred, conversation: Conversation): Decided {
  return whileOpen(conversation, messageId, attempt, (message) =>
    message.stage === 'sending' ? happened({ type: 'SendDeferred', messageId, attempt, error, retryAt }) : nothing,
  )
}

export function recordFailed({ messageId, attempt, error, at }: RecordFailed, conversation: Conversation): Decided {
  return whileOpen(conversation, messageId, attempt, (message) =>
    message.stage === 'accepted'
      ? nothing
      : happened<ConversationEvent>({ type: 'SendFailed', messageId, attempt, error }, ...reactionTakenBack(conversation, messageId, at)),
  )
}

/** A status that overtook the answer already proved that the provider has it: then the outcome is not unknown. */
export function recordUnknown({ messageId, attempt, reason }: RecordUnknown, conversation: Conversation): Decided {
  return whileOpen(conversation, messageId, attempt, (message) => {
    if (message.stage !== 'sending') return nothing
    if (message.providerId !== undefined) return happened({ type: 'SendAccepted', messageId, attempt, providerId: message.providerId })
    return happened({ type: 'SendOutcomeUnknown', messageId, attempt, reason })
  })
}

/** Only what failed, or what somebody decided to send although it may have arrived. A reaction is not sent again: one reacts again. */
export function retry({ messageId, unknownAt }: Retry, conversation: Conversation): Decided {
  const message = outgoingOf(conversation, messageId)
  if (message === undefined) return refuse('unknown_message')
  if (unknownAt !== undefined && !isUnknownAt(message, unknownAt)) return nothing
  if (message.stage === 'queued') return nothing
  // Accepted and reported as failed afterwards is the usual way to fail: most refusals of Meta come by webhook.
  const failedLater = message.stage === 'accepted' && furthestStatus(message.reported) === 'failed'
  if (message.stage !== 'failed' && message.stage !== 'unknown' && !failedLater) return refuse('not_retryable')
  if (message.reactsTo !== undefined) return refuse('not_retryable')
  return happened({ type: 'SendRetried', messageId })
}

/** What nobody knows, somebody decides. The provider's own report stays stronger: it still counts when it comes. */
export function resolve({ messageId, as, by, note, unknownAt, at }: Resolve, conversation: Conversation): Decided {
  const message = outgoingOf(conversation, messageId)
  if (message === undefined) return refuse('unknown_message')
  if (unknownAt !== undefined && !isUnknownAt(message, unknownAt)) return nothing
  if (message.stage === (as === 'sent' ? 'accepted' : 'failed')) return nothing
  if (message.stage !== 'unknown') return refuse('not_resolvable')
  const resolved: ConversationEvent = { type: 'SendResolved', messageId, as, by, ...(note === undefined ? {} : { note: plain(note) }) }
  return happened(resolved, ...(as === 'failed' ? reactionTakenBack(conversation, messageId, at) : []))
}

const isUnknownAt = ({ stage, attempt }: Outgoing, unknownAt: number): boolean => stage === 'unknown' && attempt === unknownAt

/** A result counts only for the attempt that is open: one of an earlier attempt comes too late. */
function whileOpen(conversation: Conversation, messageId: string, attempt: number, decide: (message: Outgoing) => Decided): Decided {
  const message = outgoingOf(conversation, messageId)
  if (message === undefined) return refuse('unknown_message')
  if (message.attempt !== attempt || message.stage === 'queued') return refuse('not_sending')
  return decide(message)
}
