import { happened, nothing, refuse, type Decision } from '../kernel/decider.ts'
import { plain } from '../kernel/secret.ts'
import { reactionTakenBack } from './changes.ts'
import { providerStatuses, type ConversationEvent, type MessageError, type ProviderStatus } from './events.ts'
import { recogniseEcho } from './recorded.ts'
import { outgoingOf, reportKey, type Conversation } from './state.ts'

type Changed = Extract<ConversationEvent, { type: 'MessageStatusChanged' }>

/** The provider reports on a message, named by our id (echoed callback data), by the provider's id, or both. */
export type RecordStatus = {
  type: 'recordStatus'
  messageId?: string
  providerId: string
  /** One of `providerStatuses`, or a word that we do not know; that one comes with the whole report in `raw`. */
  status: string
  at: string
  /** What the provider gave as the time, where that is later than when we got it, or no time. */
  claimedAt?: string
  error?: MessageError
  pricing?: Changed['pricing']
  conversation?: Changed['conversation']
  /** `id` is missing where the report had to wait for its message: nothing of a person waits outside of sealed events. */
  participant?: { tag: string; id?: string }
  raw?: string
}

/** Each status of a message once, in whatever order; what is further than what is decided in `statusRank`, for all readers alike. */
export function recordStatus(command: RecordStatus, conversation: Conversation): Decision<ConversationEvent, 'unknown_message'> {
  const { providerId, status } = command
  const named = command.messageId
  // What our own callback data names is ours, also while an echo of it holds the provider's id.
  const isOurs = named !== undefined && outgoingOf(conversation, named) !== undefined
  const messageId = isOurs ? named : (conversation.providerIds.get(providerId) ?? named)
  const message = messageId === undefined ? undefined : outgoingOf(conversation, messageId)
  if (messageId === undefined || message === undefined) return refuse('unknown_message')
  // Of a try that somebody gave up: it must neither end the new try nor be taken for its failure.
  if (message.former?.includes(providerId) === true) return nothing
  if (!isProviderStatus(status)) return unrecognised(command, messageId, conversation)
  if (isRepeat(command, message.reported.includes(status), conversation)) return nothing
  const { at, claimedAt, error, pricing, conversation: billed, participant } = command
  return happened(
    ...recogniseEcho(conversation, messageId, providerId),
    {
      type: 'MessageStatusChanged',
      messageId,
      providerId,
      status,
      at,
      ...(claimedAt === undefined ? {} : { claimedAt }),
      ...(error === undefined ? {} : { error }),
      ...(pricing === undefined ? {} : { pricing }),
      ...(billed === undefined ? {} : { conversation: billed }),
      ...(participant === undefined ? {} : { participantTag: participant.tag }),
      ...(participant?.id === undefined ? {} : { participantId: plain(participant.id) }),
    },
    ...(status === 'failed' ? reactionTakenBack(conversation, messageId, at) : []),
  )
}

/** Of a group each participant's report counts once; what the message shows of them is the furthest. */
const isRepeat = ({ providerId, status, participant }: RecordStatus, reported: boolean, { changes }: Conversation): boolean =>
  participant === undefined ? reported : changes.has(reportKey(providerId, status, participant.tag))

function unrecognised(
  { providerId, status, at, raw }: RecordStatus,
  messageId: string,
  { changes }: Conversation,
): Decision<ConversationEvent, never> {
  if (changes.has(reportKey(providerId, status))) return nothing
  return happened({ type: 'MessageStatusUnrecognised', messageId, providerId, status, at, raw: plain(raw ?? '{}') })
}

const isProviderStatus = (status: string): status is ProviderStatus => providerStatuses.some((known) => known === status)
