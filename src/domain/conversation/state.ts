import { List, Map, Set } from 'immutable'
import type { ConversationEvent, ProviderStatus } from './events.ts'

/**
 * Where an outgoing message is on its way to the provider:
 * queued → sending → accepted | failed | unknown | queued (deferred); failed and unknown → queued again only when somebody asks for it.
 */
export type Outgoing = {
  readonly stage: 'queued' | 'sending' | 'accepted' | 'failed' | 'unknown'
  readonly attempt: number
  readonly providerId?: string
  /** Ids that the provider gave to earlier tries, before somebody asked for another one. */
  readonly former?: readonly string[]
  readonly reported: readonly ProviderStatus[]
  /** A reaction: the provider's id of the message that it stands on. */
  readonly reactsTo?: string
}

/** Persistent maps: a fold over thousands of messages stays linear, and states may be shared with the cache. */
export type Conversation = {
  readonly status: 'none' | 'open' | 'pending' | 'snoozed' | 'resolved'
  readonly snoozedUntil?: string
  readonly channelId: string
  readonly contactId: string
  readonly lastInboundAt?: string
  /** Ids of the inbound messages since the last read marker, oldest first. */
  readonly unread: List<string>
  /** Every message there is: inbound ones are only known to exist. */
  readonly messages: Map<string, Outgoing | 'inbound'>
  /** The provider's id of an outgoing message → ours. */
  readonly providerIds: Map<string, string>
  /** What else was taken in and must change nothing when it is repeated: the provider's ids of reactions, edits and revokes, and `reportKey`s. */
  readonly changes: Set<string>
  /** Messages of history whose body is still to come. */
  readonly placeholders: Set<string>
}

export const initial: Conversation = {
  status: 'none',
  channelId: '',
  contactId: '',
  unread: List(),
  messages: Map(),
  providerIds: Map(),
  changes: Set(),
  placeholders: Set(),
}

/** How history names a message whose medium it sends later. */
export const placeholderType = 'media_placeholder'

export function evolve(state: Conversation, event: ConversationEvent): Conversation {
  switch (event.type) {
    case 'ConversationStarted':
      return { ...state, status: 'open', channelId: event.channelId, contactId: event.contactId }
    case 'MessageReceived':
      if (!isOfCustomer(event.messageType)) return { ...state, messages: state.messages.set(event.messageId, 'inbound') }
      return {
        ...state,
        lastInboundAt: state.lastInboundAt === undefined || state.lastInboundAt < event.at ? event.at : state.lastInboundAt,
        unread: state.unread.push(event.messageId),
        messages: state.messages.set(event.messageId, 'inbound'),
      }
    case 'MessageQueued':
      return queued(state, event)
    case 'MessageRecorded':
      return recorded(state, event)
    case 'MessageCompleted':
      return { ...state, placeholders: state.placeholders.delete(event.messageId) }
    case 'EchoRecognised':
      // It stays known, so that nobody records it again; the provider's id leads to ours from now on.
      return { ...state, messages: state.messages.set(event.messageId, 'inbound'), providerIds: state.providerIds.set(event.providerId, event.as) }
    case 'MessageReacted':
    case 'MessageEdited':
    case 'MessageRevoked':
      return { ...state, changes: state.changes.add(event.providerId) }
    case 'SendAttempted':
      return outgoing(state, event.messageId, { stage: 'sending', attempt: event.attempt })
    case 'SendAccepted':
      return known(outgoing(state, event.messageId, { stage: 'accepted' }), event.messageId, event.providerId)
    case 'SendDeferred':
      return outgoing(state, event.messageId, { stage: 'queued' })
    case 'SendRetried':
      // A new message for the provider: what was reported of the one before says nothing about it.
      return retried(state, event.messageId)
    case 'SendFailed':
      return outgoing(state, event.messageId, { stage: 'failed' })
    case 'SendResolved':
      return outgoing(state, event.messageId, { stage: event.as === 'sent' ? 'accepted' : 'failed' })
    case 'SendOutcomeUnknown':
      return outgoing(state, event.messageId, { stage: 'unknown' })
    case 'MessageStatusChanged': {
      const message = outgoingOf(state, event.messageId)
      if (message === undefined) return state
      const stage = reportedStage(message, event.status)
      const reported = message.reported.includes(event.status) ? message.reported : [...message.reported, event.status]
      const changes =
        event.participantTag === undefined ? state.changes : state.changes.add(reportKey(event.providerId, event.status, event.participantTag))
      return known(outgoing({ ...state, changes }, event.messageId, { stage, reported }), event.messageId, event.providerId)
    }
    case 'MessageStatusUnrecognised':
      return { ...state, changes: state.changes.add(reportKey(event.providerId, event.status)) }
    case 'ConversationRead':
      return { ...state, unread: event.unread === 0 ? List() : state.unread.takeLast(event.unread) }
    case 'ConversationReopened':
      return awake({ ...state, status: 'open' })
    case 'ConversationMarkedPending':
      return awake({ ...state, status: 'pending' })
    case 'ConversationSnoozed':
      return { ...state, status: 'snoozed', snoozedUntil: event.until }
    case 'ConversationResolved':
      return awake({ ...state, status: 'resolved' })
    default:
      return event satisfies never
  }
}

function queued(state: Conversation, { messageId, reactsTo }: Extract<ConversationEvent, { type: 'MessageQueued' }>): Conversation {
  const message: Outgoing = { stage: 'queued', attempt: 0, reported: [], ...(reactsTo === undefined ? {} : { reactsTo }) }
  return { ...state, messages: state.messages.set(messageId, message) }
}

/** What went out without us is known like our own, so that its statuses find it. */
function recorded(before: Conversation, event: Extract<ConversationEvent, { type: 'MessageRecorded' }>): Conversation {
  const state = event.messageType === placeholderType ? { ...before, placeholders: before.placeholders.add(event.messageId) } : before
  if (event.direction === 'inbound') return { ...state, messages: state.messages.set(event.messageId, 'inbound') }
  const message: Outgoing = {
    stage: 'accepted',
    attempt: 0,
    providerId: event.providerId,
    reported: event.status === undefined ? [] : [event.status],
  }
  return {
    ...state,
    messages: state.messages.set(event.messageId, message),
    providerIds: state.providerIds.set(event.providerId, event.messageId),
  }
}

/** The provider has it, so it is not sent (again): also when it waits for another try, or was taken for failed and is reported as delivered. */
function reportedStage({ stage, attempt }: Outgoing, status: ProviderStatus): Outgoing['stage'] {
  if (stage === 'unknown' || (stage === 'queued' && attempt > 0)) return 'accepted'
  return stage === 'failed' && status !== 'failed' ? 'accepted' : stage
}

/** A report that moves no status of the message: of one participant of a group, or in a word that we do not know. */
export const reportKey = (providerId: string, status: string, participant = ''): string => `${providerId} ${status} ${participant}`

/** What WhatsApp itself says about a person in the thread (a new number) is not written by them: it is not unread, wakes nothing and opens no window. */
export const isOfCustomer = (messageType: string): boolean => messageType !== 'system'

export function outgoingOf(state: Conversation, messageId: string): Outgoing | undefined {
  const message = state.messages.get(messageId)
  return message === 'inbound' ? undefined : message
}

function outgoing(state: Conversation, messageId: string, change: Partial<Outgoing>): Conversation {
  const before = outgoingOf(state, messageId)
  return before === undefined ? state : { ...state, messages: state.messages.set(messageId, { ...before, ...change }) }
}

function retried(state: Conversation, messageId: string): Conversation {
  const before = outgoingOf(state, messageId)
  if (before === undefined) return state
  const { providerId, former = [], attempt, reactsTo } = before
  const message: Outgoing = {
    stage: 'queued',
    attempt,
    reported: [],
    former: providerId === undefined ? former : [...former, providerId],
    ...(reactsTo === undefined ? {} : { reactsTo }),
  }
  return { ...state, messages: state.messages.set(messageId, message) }
}

function known(state: Conversation, messageId: string, providerId: string): Conversation {
  return { ...outgoing(state, messageId, { providerId }), providerIds: state.providerIds.set(providerId, messageId) }
}

function awake(state: Conversation): Conversation {
  const { snoozedUntil: _over, ...rest } = state
  return rest
}
