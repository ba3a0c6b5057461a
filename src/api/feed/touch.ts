import type { AlertEvent } from '../../domain/alert/events.ts'
import type { ChannelEvent } from '../../domain/channel/events.ts'
import type { ContactEvent } from '../../domain/contact/events.ts'
import type { ConversationEvent } from '../../domain/conversation/events.ts'
import { fromStored } from '../../domain/kernel/codec.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { MediaEvent } from '../../domain/media/events.ts'
import type { TemplateEvent } from '../../domain/template/events.ts'
import { messageErrorBody } from '../messages/error.ts'
import { changeIn, reactionIn, type Change } from './changes.ts'
import type { FeedType, StatusChange } from './frames.ts'

/**
 * What one event of the log means for the feed: which thing it touched, and under which type it is told.
 * A message also changes its conversation (unread count, last message): `before` is the type under which that is told, just before the message.
 * A change is told with the message that it changed, where that is here.
 */
export type Touch =
  | { readonly kind: 'message'; readonly type: FeedType; readonly id: string; readonly conversationId: string; readonly before: FeedType }
  | { readonly kind: 'conversation' | 'contact' | 'channel' | 'template' | 'alert' | 'media'; readonly type: FeedType; readonly id: string }
  | {
      readonly kind: 'change'
      readonly type: FeedType
      readonly change: Change
      readonly eventId: string
      readonly conversationId: string
      readonly before: FeedType
    }
  | { readonly kind: 'status'; readonly type: 'message.status'; readonly data: StatusChange }

/** Types that the feed reads from the log. */
export const touchingTypes = [
  'ConversationStarted',
  'MessageReceived',
  'MessageQueued',
  'SendAttempted',
  'SendAccepted',
  'SendDeferred',
  'SendFailed',
  'SendOutcomeUnknown',
  'SendResolved',
  'MessageRecorded',
  'MessageCompleted',
  'EchoRecognised',
  'MessageReacted',
  'MessageEdited',
  'MessageRevoked',
  'SendRetried',
  'MessageStatusChanged',
  'ConversationRead',
  'ConversationReopened',
  'ConversationMarkedPending',
  'ConversationSnoozed',
  'ConversationResolved',
  'ContactCreated',
  'ContactIdentityAdded',
  'ContactRenamed',
  'ContactIdentityReplaced',
  'ContactConsentChanged',
  'ContactUsernameChanged',
  'ContactListed',
  'ContactUnlisted',
  'ContactDuplicateSuspected',
  'ChannelAdded',
  'ChannelRenamed',
  'ChannelConnected',
  'ChannelCheckFailed',
  'ChannelDisconnected',
  'ChannelNumberChanged',
  'ChannelProfileChanged',
  'ChannelSyncRequested',
  'ChannelSyncBegun',
  'ChannelSyncRefused',
  'ChannelRemoved',
  'TemplateSubmitted',
  'TemplateHeardOf',
  'TemplateSynced',
  'TemplateStatusChanged',
  'TemplateSubmissionFailed',
  'TemplateEdited',
  'TemplateQualityChanged',
  'TemplateCategoryChanged',
  'TemplateDeleted',
  'AlertRaised',
  'AlertResolved',
  'MediaStored',
] as const satisfies readonly (ConversationEvent | ContactEvent | ChannelEvent | MediaEvent | TemplateEvent | AlertEvent)['type'][]

/** Undefined for what the feed does not tell. */
export function touch(event: RecordedEvent): Touch | undefined {
  switch (event.stream.category) {
    case 'conversation':
      return inConversation(fromStored<ConversationEvent>(event), event)
    case 'contact':
      return ofContact(fromStored<ContactEvent>(event), event.stream.id)
    case 'channel':
      return ofChannel(fromStored<ChannelEvent>(event), event.stream.id)
    case 'alert':
      return ofAlert(fromStored<AlertEvent>(event), event.stream.id)
    case 'template':
      return { kind: 'template', type: 'template.updated', id: event.stream.id }
    case 'tenant':
    case 'claim':
    case 'delivery':
    case 'user':
    case 'account':
    case 'audit':
    case 'projection':
    case 'replay':
      return undefined
    case 'media':
      return event.type === 'MediaStored' ? { kind: 'media', type: 'media.stored', id: event.stream.id } : undefined
    default:
      return event.stream.category satisfies never
  }
}

function inConversation(event: ConversationEvent, recorded: RecordedEvent): Touch | undefined {
  const id = recorded.stream.id
  switch (event.type) {
    case 'ConversationStarted':
      return { kind: 'conversation', type: 'conversation.created', id }
    case 'MessageReceived':
      return { kind: 'message', type: 'message.received', id: event.messageId, conversationId: id, before: 'conversation.updated' }
    case 'MessageQueued':
      return event.reactsTo === undefined
        ? { kind: 'message', type: 'message.queued', id: event.messageId, conversationId: id, before: 'conversation.updated' }
        : changed('message.reaction', reactionIn({ ...event, reactsTo: event.reactsTo }, recorded), recorded)
    case 'MessageRecorded': {
      // History may be thousands of messages: whoever looks at the conversation loads them.
      if (event.origin === 'history') return { kind: 'conversation', type: 'conversation.updated', id }
      const type = event.direction === 'inbound' ? 'message.received' : 'message.queued'
      return { kind: 'message', type, id: event.messageId, conversationId: id, before: 'conversation.updated' }
    }
    case 'MessageReacted':
      return changed('message.reaction', changeIn(event, recorded), recorded)
    case 'MessageEdited':
      return changed('message.edited', changeIn(event, recorded), recorded)
    case 'MessageRevoked':
      return changed('message.revoked', changeIn(event, recorded), recorded)
    case 'ConversationRead':
      return { kind: 'conversation', type: 'conversation.read', id }
    case 'ConversationReopened':
    case 'ConversationMarkedPending':
    case 'ConversationSnoozed':
    case 'ConversationResolved':
      return { kind: 'conversation', type: 'conversation.updated', id }
    case 'MessageCompleted':
    case 'EchoRecognised':
      return { kind: 'conversation', type: 'conversation.updated', id }
    case 'MessageStatusUnrecognised':
      return undefined
    case 'SendAttempted':
      return status(event.messageId, 'sending', recorded)
    case 'SendAccepted':
      return status(event.messageId, 'sent', recorded, { provider_id: event.providerId })
    case 'SendDeferred':
      return status(event.messageId, 'queued', recorded, { error: messageErrorBody(event.error) })
    case 'SendRetried':
      return status(event.messageId, 'queued', recorded)
    case 'SendFailed':
      return status(event.messageId, 'failed', recorded, { error: messageErrorBody(event.error) })
    case 'SendResolved':
      return status(event.messageId, event.as, recorded)
    case 'SendOutcomeUnknown':
      return status(event.messageId, 'unknown', recorded)
    case 'MessageStatusChanged':
      return status(event.messageId, event.status, recorded, {
        at: event.at,
        provider_id: event.providerId,
        ...(event.error === undefined ? {} : { error: messageErrorBody(event.error) }),
      })
    default:
      return event satisfies never
  }
}

const changed = (type: FeedType, change: Change, { id: eventId, stream }: RecordedEvent): Touch => ({
  kind: 'change',
  type,
  change,
  eventId,
  conversationId: stream.id,
  before: 'conversation.updated',
})

/** A status is told as it was when it happened, not as the message is now: a listener that resumes sees each step. */
function status(id: string, value: string, recorded: RecordedEvent, more: Partial<StatusChange> = {}): Touch {
  const data = { id, conversation_id: recorded.stream.id, status: value, at: recorded.meta.occurredAt, ...more }
  return { kind: 'status', type: 'message.status', data }
}

function ofContact(event: ContactEvent, id: string): Touch | undefined {
  switch (event.type) {
    case 'ContactCreated':
      return { kind: 'contact', type: 'contact.created', id }
    case 'ContactIdentityAdded':
    case 'ContactRenamed':
    case 'ContactIdentityReplaced':
    case 'ContactConsentChanged':
    case 'ContactUsernameChanged':
    case 'ContactListed':
    case 'ContactUnlisted':
    case 'ContactDuplicateSuspected':
      return { kind: 'contact', type: 'contact.updated', id }
    case 'ContactAliased':
      return undefined
    default:
      return event satisfies never
  }
}

function ofChannel(event: ChannelEvent, id: string): Touch | undefined {
  switch (event.type) {
    case 'ChannelAdded':
    case 'ChannelRenamed':
    case 'ChannelConnected':
    case 'ChannelCheckFailed':
    case 'ChannelDisconnected':
    case 'ChannelRemoved':
    case 'ChannelNumberChanged':
    case 'ChannelProfileChanged':
    case 'ChannelSyncRequested':
    case 'ChannelSyncBegun':
    case 'ChannelSyncRefused':
      return { kind: 'channel', type: 'channel.updated', id }
    case 'ChannelCredentialsChanged':
      return undefined
    default:
      return event satisfies never
  }
}

function ofAlert(event: AlertEvent, id: string): Touch {
  switch (event.type) {
    case 'AlertRaised':
      return { kind: 'alert', type: 'alert.raised', id }
    case 'AlertResolved':
      return { kind: 'alert', type: 'alert.resolved', id }
    default:
      return event satisfies never
  }
}
