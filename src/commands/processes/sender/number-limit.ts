import { createTokenBucket, type TokenBucket } from './token-bucket.ts'

const secondMs = 1_000

/**
 * What one number may send: so many per second, and no more than that in any second, wherever one begins to count.
 * A bucket alone has to be small to keep to that, and then loses whatever it could not hold while the process was busy elsewhere for more than a moment
 * (50 ms: 904–932 of 1,000 messages a second). So the bucket is larger, and the times of the last `perSecond` messages say when the next one may go.
 */
export function createNumberLimit(
  perSecond: number,
  now: number,
): Pick<TokenBucket, 'take' | 'readyAt'> & { setPerSecond: (perSecond: number) => void } {
  const rateOf = (most: number) => ({ perSecond: most, burst: Math.max(1, most / 5) })
  const bucket = createTokenBucket(rateOf(perSecond), now)
  let most = wholeOf(perSecond)
  /** The times of the last takes, oldest first from `oldest` on. */
  let times: number[] = []
  let oldest = 0

  return {
    take(at) {
      bucket.take(at)
      times.push(at)
      while (times.length - oldest > most) oldest++
      // Cut off now and then, not one by one.
      if (oldest > 4_096) {
        times = times.slice(oldest)
        oldest = 0
      }
    },
    readyAt(at) {
      const full = times.length - oldest >= most ? (times[times.length - most] ?? 0) + secondMs : 0
      return Math.max(bucket.readyAt(at), full)
    },
    setPerSecond(changed) {
      most = wholeOf(changed)
      bucket.setRate(rateOf(changed))
    },
  }
}

/** A rate below one in a second is the bucket's alone to keep. */
const wholeOf = (perSecond: number): number => Math.max(1, Math.floor(perSecond))
