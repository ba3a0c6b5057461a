import type { ConversationEvent } from '../../domain/conversation/events.ts'

/** One event of a conversation in a sentence for a person; it names nobody and quotes nothing. */
export function summary(event: ConversationEvent): string {
  switch (event.type) {
    case 'ConversationStarted':
      return event.by === 'inbound' ? 'The customer started the conversation' : 'We started the conversation'
    case 'MessageReceived':
      return `The customer sent a message (${event.messageType})`
    case 'MessageRecorded':
      return event.origin === 'history'
        ? `A message from before the connection (${event.messageType})`
        : `A message was written on the phone (${event.messageType})`
    case 'MessageCompleted':
      return `The rest of a message from before the connection came (${event.messageType})`
    case 'EchoRecognised':
      return 'What looked like a message of the phone is one that we sent'
    case 'MessageReacted':
      return event.emoji === undefined ? 'A reaction was taken back' : 'A reaction was put on a message'
    case 'MessageEdited':
      return 'A message was edited'
    case 'MessageRevoked':
      return 'A message was deleted for everyone'
    case 'MessageQueued':
      return `A message was queued for sending (${event.messageType})`
    case 'SendAttempted':
      return event.attempt === 1 ? 'It is being sent' : `It is being sent, attempt ${event.attempt}`
    case 'SendAccepted':
      return 'The provider accepted it'
    case 'SendDeferred':
      return `It will be tried again at ${event.retryAt}: ${event.error.title}`
    case 'SendFailed':
      return `It could not be sent: ${event.error.title}`
    case 'SendResolved':
      return `It was settled as ${event.as} by ${event.by === 'person' ? 'a person' : 'the policy'}`
    case 'SendOutcomeUnknown':
      return 'Nobody knows whether the provider got it'
    case 'SendRetried':
      return 'Somebody asked for it to be sent again'
    case 'MessageStatusChanged':
      return event.error === undefined ? `The provider reports: ${event.status}` : `The provider reports: ${event.status} (${event.error.title})`
    case 'MessageStatusUnrecognised':
      return `The provider reports: ${event.status}`
    case 'ConversationRead':
      return event.unread === 0 ? 'It was read' : `It was read; ${event.unread} newer messages are unread`
    case 'ConversationReopened':
      return { inbound: 'The customer wrote again: reopened', agent: 'It was reopened', timer: 'The snooze ended: reopened' }[event.by]
    case 'ConversationMarkedPending':
      return 'It was set aside as pending'
    case 'ConversationSnoozed':
      return `It was snoozed until ${event.until}`
    case 'ConversationResolved':
      return 'It was resolved'
    default:
      return event satisfies never
  }
}
