import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { problem } from './problem.ts'

/** Requests per second that one key (or, on public routes, one address) may sustain; bursts of ten seconds' worth. And refused credentials per minute and address. */
export type RateLimitOptions = { readonly requestsPerSecond: number; readonly failuresPerMinute: number }

/** Generous: they stop a runaway loop and a guesser, not a busy CRM. Counted per process. */
const defaultRateLimits: RateLimitOptions = { requestsPerSecond: 2_000, failuresPerMinute: 600 }

export type RateLimits = {
  /** Counts a request. @throws 429 */
  count: (who: string) => Promise<void>
  /** Counts a refused credential. @throws 429 when the address had too many of them lately; a good credential is never held up by bad ones. */
  countFailure: (address: string) => Promise<void>
}

const seconds = (left: RateLimiterRes): number => Math.max(1, Math.ceil(left.msBeforeNext / 1000))

async function consumed(limiter: RateLimiterMemory, who: string): Promise<void> {
  try {
    await limiter.consume(who)
  } catch (refused) {
    throw refused instanceof RateLimiterRes ? problem('rate_limited', { retryAfterSeconds: seconds(refused) }) : refused
  }
}

export function createRateLimits({ requestsPerSecond, failuresPerMinute }: RateLimitOptions = defaultRateLimits): RateLimits {
  const requests = new RateLimiterMemory({ keyPrefix: 'requests', points: requestsPerSecond * 10, duration: 10 })
  const failures = new RateLimiterMemory({ keyPrefix: 'failures', points: failuresPerMinute, duration: 60 })
  return {
    count: (who) => consumed(requests, who),
    countFailure: (address) => consumed(failures, address),
  }
}
