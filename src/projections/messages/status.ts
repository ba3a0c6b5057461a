import { statusRank } from '../../domain/conversation/status-rank.ts'
import type { EventsOf } from '../engine/projection.ts'

export const messageStatuses = ['received', 'queued', 'sending', 'unknown', 'sent', 'failed', 'delivered', 'read', 'played'] as const
export type MessageStatus = (typeof messageStatuses)[number]

type Moving = EventsOf<
  'SendAttempted' | 'SendAccepted' | 'SendDeferred' | 'SendFailed' | 'SendOutcomeUnknown' | 'SendRetried' | 'SendResolved' | 'MessageStatusChanged'
>

/** What an event says about its message. `again` is the one that may lead back: somebody asked for another attempt. */
export function statusAfter(event: Moving): { readonly status: MessageStatus; readonly again?: true } {
  switch (event.type) {
    case 'SendAttempted':
      return { status: 'sending' }
    case 'SendAccepted':
      return { status: 'sent' }
    case 'SendDeferred':
      return { status: 'queued' }
    case 'SendFailed':
      return { status: 'failed' }
    case 'SendOutcomeUnknown':
      return { status: 'unknown' }
    case 'SendRetried':
      return { status: 'queued', again: true }
    case 'SendResolved':
      return { status: event.as }
    case 'MessageStatusChanged':
      return { status: event.status }
    default:
      return event satisfies never
  }
}

/** Before the provider has it a message may go to and fro between queued, sending and unknown: all of them rank alike. */
const rank = (status: MessageStatus): number => (status in statusRank ? statusRank[status as keyof typeof statusRank] : 0)

/** The furthest status of those ever reported: the provider's reports come in any order, and may overtake our own record of the attempt. */
export function advanced(present: MessageStatus, next: { readonly status: MessageStatus; readonly again?: true }): MessageStatus {
  if (next.again === true) return next.status
  if (rank(next.status) === 0 && rank(present) === 0) return next.status
  return rank(next.status) > rank(present) ? next.status : present
}
