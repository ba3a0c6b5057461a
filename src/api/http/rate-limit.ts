import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { problem } from './problem.ts'

/** Requests per second that one key (or, on public routes, one address) may sustain; bursts of ten seconds' worth. And refused credentials per minute and address. */
export type RateLimitOptions = { readonly requestsPerSecond: number; readonly failuresPerMinute: number }

/** Generous: they stop a runaway loop and a guesser, not a busy CRM. Counted per process. */
const defaultRateLimits: RateLimitOptions = { requestsPerSecond: 500, failuresPerMinute: 120 }

export type RateLimits = {
  /** Counts a request. @throws 429 */
  count: (who: string) => Promise<void>
  /** @throws 429 when the address had too many credentials refused lately. */
  checkAddress: (address: string) => Promise<void>
  countFailure: (address: string) => Promise<void>
}

const seconds = (left: RateLimiterRes): number => Math.max(1, Math.ceil(left.msBeforeNext / 1000))

export function createRateLimits({ requestsPerSecond, failuresPerMinute }: RateLimitOptions = defaultRateLimits): RateLimits {
  const requests = new RateLimiterMemory({ keyPrefix: 'requests', points: requestsPerSecond * 10, duration: 10 })
  const failures = new RateLimiterMemory({ keyPrefix: 'failures', points: failuresPerMinute, duration: 60 })
  return {
    async count(who) {
      try {
        await requests.consume(who)
      } catch (refused) {
        throw refused instanceof RateLimiterRes ? problem('rate_limited', { retryAfterSeconds: seconds(refused) }) : refused
      }
    },
    async checkAddress(address) {
      const state = await failures.get(address)
      if (state !== null && state.consumedPoints >= failuresPerMinute) throw problem('rate_limited', { retryAfterSeconds: seconds(state) })
    },
    async countFailure(address) {
      await failures.penalty(address, 1)
    },
  }
}
