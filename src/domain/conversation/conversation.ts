import type { Aggregate } from '../kernel/aggregate.ts'
import { derivedId } from '../kernel/ids.ts'
import type { Decision } from '../kernel/decider.ts'
import { recordChange, type RecordChange } from './changes.ts'
import type { ConversationEvent } from './events.ts'
import { receive, type Receive } from './receive.ts'
import { recordMessage, type RecordMessage } from './recorded.ts'
import {
  queue,
  recordAccepted,
  recordAttempt,
  recordDeferred,
  recordFailed,
  recordUnknown,
  resolve,
  retry,
  type Sending,
  type SendingRefusal,
} from './sending.ts'
import { evolve, initial, type Conversation } from './state.ts'
import { recordStatus, type RecordStatus } from './statuses.ts'
import { markRead, setStatus, snooze, wake, type Triage, type TriageRefusal } from './triage.ts'

export type ConversationCommand = Receive | RecordChange | RecordMessage | RecordStatus | Sending | Triage
export type ConversationRefusal = SendingRefusal | TriageRefusal

function decide(command: ConversationCommand, state: Conversation): Decision<ConversationEvent, ConversationRefusal> {
  switch (command.type) {
    case 'receive':
      return receive(command, state)
    case 'recordChange':
      return recordChange(command, state)
    case 'recordMessage':
      return recordMessage(command, state)
    case 'recordStatus':
      return recordStatus(command, state)
    case 'queue':
      return queue(command, state)
    case 'recordAttempt':
      return recordAttempt(command, state)
    case 'recordAccepted':
      return recordAccepted(command, state)
    case 'recordDeferred':
      return recordDeferred(command, state)
    case 'recordFailed':
      return recordFailed(command, state)
    case 'recordUnknown':
      return recordUnknown(command, state)
    case 'retry':
      return retry(command, state)
    case 'resolve':
      return resolve(command, state)
    case 'markRead':
      return markRead(command, state)
    case 'setStatus':
      return setStatus(command, state)
    case 'snooze':
      return snooze(command, state)
    case 'wake':
      return wake(command, state)
    default:
      return command satisfies never
  }
}

/** What one contact and one channel say to each other: the boundary of consistency for messages, statuses, unread and the service window. */
export const conversation: Aggregate<ConversationCommand, ConversationEvent, Conversation, ConversationRefusal> = {
  category: 'conversation',
  initial,
  evolve,
  decide,
  subject: (_id, state) => state.contactId,
}

/** There is one conversation per channel and contact, so its id needs no look-up. */
export const conversationId = (tenantId: string, channelId: string, contactId: string): string =>
  derivedId('conversation', tenantId, channelId, contactId)

/** An inbound message is known by the provider's id, so the same one has the same id of ours, always. */
export const inboundMessageId = (tenantId: string, channelId: string, providerId: string): string =>
  derivedId('message', tenantId, channelId, providerId)
