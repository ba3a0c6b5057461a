import type { ConversationEvent } from '../../../domain/conversation/events.ts'
import type { Voice } from './voice.ts'

/** What happened in a conversation. It quotes nothing of what was written. */
export function conversationSentence(event: ConversationEvent, { by, customer }: Voice): string {
  switch (event.type) {
    case 'ConversationStarted':
      return event.by === 'inbound' ? `${customer} started the conversation` : `${by} started the conversation with ${customer}`
    case 'ConversationRead':
      return event.unread === 0
        ? `${by} read the conversation with ${customer}`
        : `${by} read the conversation with ${customer}; ${event.unread} newer messages are unread`
    case 'ConversationReopened':
      return {
        inbound: `${customer} wrote again: the conversation was reopened`,
        agent: `${by} reopened the conversation with ${customer}`,
        timer: `The snooze ended: the conversation with ${customer} was reopened`,
      }[event.by]
    case 'ConversationMarkedPending':
      return `${by} set the conversation with ${customer} aside as pending`
    case 'ConversationSnoozed':
      return `${by} snoozed the conversation with ${customer} until ${event.until}`
    case 'ConversationResolved':
      return `${by} resolved the conversation with ${customer}`
    case 'MessageReceived':
      return `${customer} sent a message (${event.messageType})`
    case 'MessageRecorded':
      return event.origin === 'history'
        ? `A message from before the connection was added (${event.messageType})`
        : `A message was written to ${customer} on the phone (${event.messageType})`
    case 'MessageCompleted':
      return `The rest of a message from before the connection came (${event.messageType})`
    case 'EchoRecognised':
      return 'What looked like a message of the phone is one that we sent'
    case 'MessageReacted':
      return `${event.by.kind === 'contact' ? customer : 'One of ours'} ${event.emoji === undefined ? 'took back a reaction' : 'put a reaction on a message'}`
    case 'MessageEdited':
      return 'A message was edited'
    case 'MessageRevoked':
      return 'A message was deleted for everyone'
    default:
      return sendingSentence(event, { by, customer })
  }
}

type Sending = Extract<ConversationEvent, { type: 'MessageQueued' | `Send${string}` | `MessageStatus${string}` }>

/** What became of a message of ours. */
function sendingSentence(event: Sending, { by, customer }: Omit<Voice, 'thing'>): string {
  switch (event.type) {
    case 'MessageQueued':
      return event.reactsTo === undefined
        ? `${by} wrote a message to ${customer} (${event.messageType})`
        : `${by} reacted to a message of ${customer}`
    case 'SendAttempted':
      return event.attempt === 1 ? 'The message is being sent' : `The message is being sent, attempt ${event.attempt}`
    case 'SendAccepted':
      return 'The provider accepted the message'
    case 'SendDeferred':
      return `The message will be tried again at ${event.retryAt}: ${event.error.title}`
    case 'SendFailed':
      return `The message could not be sent: ${event.error.title}`
    case 'SendOutcomeUnknown':
      return 'Nobody knows whether the provider got the message'
    case 'SendRetried':
      return `${by} asked for the message to be sent again`
    case 'SendResolved':
      return event.by === 'person' ? `${by} settled the message as ${event.as}` : `The message was settled as ${event.as} by the policy`
    case 'MessageStatusChanged':
      return `The provider reports: ${event.status}${event.error === undefined ? '' : ` (${event.error.title})`}`
    case 'MessageStatusUnrecognised':
      return `The provider reports: ${event.status}`
    default:
      return event satisfies never
  }
}
