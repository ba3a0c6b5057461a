import type { InboxOutcome, InboxRefusal } from '../../commands/conversations/inbox.ts'
import type { ProblemCode } from '../http/codes.ts'
import { problem } from '../http/problem.ts'
import { settled } from '../http/settled.ts'

/** What the inbox refuses, in the words of the contract. Those of the sender's own commands never reach a client; they are here to keep the table whole. */
const codes: Readonly<Record<InboxRefusal, ProblemCode>> = {
  window_closed: 'window_closed',
  channel_not_connected: 'channel_not_connected',
  other_recipient: 'recipient_mismatch',
  snooze_in_the_past: 'snooze_in_the_past',
  conversation_resolved: 'conversation_resolved',
  not_retryable: 'message_not_retryable',
  not_resolvable: 'message_not_resolvable',
  unknown_message: 'not_found',
  unknown_conversation: 'not_found',
  not_queued: 'message_not_retryable',
  not_sending: 'message_not_retryable',
}

type Done = Extract<InboxOutcome, { position: unknown }>
type Refused = { readonly refused: ProblemCode }

/** The good part of an outcome; anything else is thrown as its problem. */
export function done(outcome: InboxOutcome): Done {
  if ('mistakes' in outcome) {
    const errors = outcome.mistakes.map(({ path, message }) => ({ path: `body.template.${path}`, code: 'template_parameter', message }))
    throw problem(outcome.refused, { errors })
  }
  if ('detail' in outcome) throw problem(outcome.refused, outcome.detail)
  const said: Exclude<InboxOutcome, { refused: unknown }> | Refused = 'refused' in outcome ? { refused: codes[outcome.refused] } : outcome
  return settled(said)
}
