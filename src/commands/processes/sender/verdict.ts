import type { MessageError } from '../../../domain/conversation/events.ts'
import { classOfError, explain, type ErrorClass } from '../../../domain/conversation/provider-errors.ts'
import type { ProviderError, SendOutcome } from '../../ports/cloud-api.ts'

/** What the answer to a call means for the message. `retryAt` in milliseconds. */
export type Result =
  | { readonly kind: 'accepted'; readonly providerId: string }
  | { readonly kind: 'deferred'; readonly error: MessageError; readonly retryAt: number }
  | { readonly kind: 'failed'; readonly error: MessageError }
  | { readonly kind: 'unknown'; readonly reason: string }

/** What it means for the channel: `pauseMs` nothing goes out, `slower` fewer per second, `trouble` somebody should know. */
export type ChannelEffect = { readonly pauseMs?: number; readonly slower?: boolean; readonly trouble?: MessageError }

export type Verdict = { readonly result: Result; readonly channel: ChannelEffect }

export type Tried = {
  /** This one included, since the message was queued or somebody asked for another try. */
  readonly tries: number
  readonly queuedAt: number
  readonly now: number
  /** Calls of this channel in a row that ended in trouble of the channel, this one included if it did. */
  readonly streak: number
  /** 0 ≤ random < 1 */
  readonly random: number
}

/** Trouble of one message: then a person has to look at it. */
const maxTries = 8
/** Trouble of the whole channel, or of the way to Meta, is waited out for as long as an answer still makes sense (the service window). */
const maxAgeMs = 24 * 60 * 60 * 1000
const second = 1000
const minute = 60 * second

/** Grows from `base` to `most`; half of it is random, so that what failed together does not come back together. */
const backOff = (nth: number, base: number, most: number, random: number): number =>
  Math.min(most, base * 2 ** Math.min(20, nth - 1)) * (0.5 + random / 2)

type Streak = Pick<Tried, 'streak' | 'random'>

/** What concerns the whole channel, and for how long nothing of it goes out. */
const pauses = {
  backoff: ({ streak, random }: Streak) => backOff(streak, second, 5 * minute, random),
  credentials: ({ streak, random }: Streak) => backOff(streak, minute, 5 * minute, random),
  // Not random: one probe of each channel, and Meta counts what is sent on at a spam limit.
  account: ({ streak }: Streak) => Math.min(60 * minute, 15 * minute * 2 ** Math.min(20, streak - 1)),
}

/**
 * An error of the whole channel that came by a report, long after the message was taken: the same pause as for one that is the answer to a call.
 * `lasting`: that the next message is taken does not prove that it is over. Undefined for what is about one message.
 */
export function reportedTrouble(
  code: string,
  tried: Streak,
): { readonly pauseMs: number; readonly slower: boolean; readonly lasting: boolean } | undefined {
  const kind = classOfError(code)
  if (kind !== 'backoff' && kind !== 'credentials' && kind !== 'account') return undefined
  return { pauseMs: pauses[kind](tried), slower: kind === 'backoff', lasting: kind !== 'backoff' }
}

/** Total and pure: every answer of the provider → what is recorded, and how the channel goes on. */
export function judge(outcome: SendOutcome, tried: Tried): Verdict {
  switch (outcome.outcome) {
    case 'accepted':
      return { result: { kind: 'accepted', providerId: outcome.providerId }, channel: {} }
    case 'unknown':
      return { result: { kind: 'unknown', reason: outcome.reason }, channel: {} }
    case 'not_sent': {
      // It never left: safe to repeat, and nothing else of this channel would get through now either.
      const pauseMs = backOff(tried.streak, second, minute, tried.random)
      const error = { code: 'provider_unreachable', title: 'Meta could not be reached', detail: outcome.reason, retryable: true }
      return { result: patient(error, pauseMs, tried), channel: { pauseMs } }
    }
    case 'rejected':
      return refused(outcome.error, tried)
    default:
      return outcome satisfies never
  }
}

function refused(answer: ProviderError, tried: Tried): Verdict {
  const { class: kind, safeToRepeat, waitSeconds } = explain(answer.code, answer.status)
  const error = messageErrorOf(answer)
  const wait = Math.max(waitSeconds ?? 0, answer.retryAfterSeconds ?? 0) * second
  switch (kind) {
    case 'retry':
      // Meta says itself that it may be out in spite of the error: a second try could be a second message.
      if (!safeToRepeat) return { result: { kind: 'unknown', reason: `${error.title} (${answer.code})` }, channel: {} }
      return { result: counted(error, Math.max(wait, backOff(tried.tries, second, 10 * minute, tried.random)), tried), channel: {} }
    case 'backoff': {
      const pauseMs = Math.max(wait, pauses.backoff(tried))
      return { result: patient(error, pauseMs, tried), channel: { pauseMs, slower: true, ...(tried.streak >= 5 ? { trouble: error } : {}) } }
    }
    case 'pair_limit':
      // Meta's own rule: 4^n seconds.
      return { result: patient(error, Math.max(wait, Math.min(60 * minute, 4 ** Math.min(10, tried.tries - 1) * second)), tried), channel: {} }
    case 'credentials': {
      const pauseMs = pauses.credentials(tried)
      return { result: patient(error, pauseMs, tried), channel: { pauseMs, trouble: error } }
    }
    case 'account': {
      const pauseMs = Math.max(wait, pauses.account(tried))
      return { result: patient(error, pauseMs, tried), channel: { pauseMs, trouble: error } }
    }
    case 'human':
    case 'wait_24h':
    case 'never':
    case 'template':
    case 'window':
      return { result: { kind: 'failed', error }, channel: {} }
    default:
      return kind satisfies never
  }
}

const counted = (error: MessageError, waitMs: number, { tries, now }: Tried): Result =>
  tries >= maxTries ? { kind: 'failed', error } : { kind: 'deferred', error, retryAt: now + waitMs }

const patient = (error: MessageError, waitMs: number, { queuedAt, now }: Tried): Result =>
  now + waitMs - queuedAt > maxAgeMs ? { kind: 'failed', error } : { kind: 'deferred', error, retryAt: now + waitMs }

const mayPass: ReadonlySet<ErrorClass> = new Set(['retry', 'backoff', 'pair_limit'])

/** Meta's error in our words, with the whole of theirs beside it. The same codes as for errors that come by webhook. */
function messageErrorOf(answer: ProviderError): MessageError {
  const { class: kind, title, explanation } = explain(answer.code, answer.status)
  const { code, status, message, details, fbtraceId } = answer
  return {
    code: `provider_${code}`,
    title,
    detail: explanation,
    retryable: mayPass.has(kind),
    providerError: {
      code,
      status,
      message,
      ...(details === undefined ? {} : { details }),
      ...(fbtraceId === undefined ? {} : { fbtrace_id: fbtraceId }),
    },
  }
}
