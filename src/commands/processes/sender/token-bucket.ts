/** So many at once, so many per second after that. Times in milliseconds. */
export type Rate = { readonly perSecond: number; readonly burst: number }

export type TokenBucket = {
  take: (now: number) => void
  /** When one may be taken: `now`, or later. */
  readyAt: (now: number) => number
  isFull: (now: number) => boolean
  setRate: (rate: Rate) => void
}

export function createTokenBucket({ perSecond, burst: size }: Rate, now: number): TokenBucket {
  let rate = perSecond / 1000
  let burst = size
  let tokens = burst
  let at = now

  const refill = (now: number): void => {
    // A clock that was set back gives nothing and takes nothing away.
    tokens = Math.min(burst, tokens + Math.max(0, now - at) * rate)
    at = now
  }
  return {
    take(now) {
      refill(now)
      tokens -= 1
    },
    readyAt(now) {
      refill(now)
      return tokens >= 1 ? now : now + Math.ceil((1 - tokens) / rate)
    },
    isFull(now) {
      refill(now)
      return tokens >= burst
    },
    setRate({ perSecond, burst: size }) {
      rate = perSecond / 1000
      burst = size
    },
  }
}
