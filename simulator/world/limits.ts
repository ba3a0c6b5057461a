import type { PhoneNumber, Thread } from './world.ts'

const pairInterval = 6_000
const pairBurst = 45

/** Takes one message out of the number's bucket, which holds one second's worth. False: too fast. */
export function takeThroughput(number: PhoneNumber, perSecond: number, now: number): boolean {
  if (perSecond === 0) return true
  number.tokens = Math.min(perSecond, number.tokens + ((now - number.tokens_at) * perSecond) / 1000)
  number.tokens_at = now
  if (number.tokens < 1) return false
  number.tokens -= 1
  return true
}

/** One message in six seconds to the same customer; up to 45 at once, borrowed from the future (GCRA). False: too fast. */
export function takePair(thread: Thread, now: number): boolean {
  const tat = Math.max(thread.pair_tat, now)
  if (tat - now > (pairBurst - 1) * pairInterval) return false
  thread.pair_tat = tat + pairInterval
  return true
}

const day = 24 * 3_600_000

/** The customer service window: 24 hours from the customer's last message. */
export const windowOpen = (thread: Thread, now: number): boolean => thread.last_inbound_at !== undefined && now - thread.last_inbound_at < day
