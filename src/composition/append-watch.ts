/**
 * Whether the log takes appends, as far as this process knows without writing anything itself: reading goes on from a full disk, and so every other check
 * of readiness is content with one.
 *
 * TAKING → REFUSED (an append was given up, after all its tries) → TAKING with the next one that goes through, or when it is long ago. The latter because
 * nobody may be sent here any more who could try: a process that waited for an append would be out of service for good.
 */
export function createAppendWatch(now: () => number = () => performance.now()): {
  readonly onBatch: () => void
  readonly onGivenUp: (error: unknown) => void
  readonly check: () => Promise<string | undefined>
} {
  let refused: { readonly why: string; readonly at: number } | undefined
  return {
    onBatch() {
      refused = undefined
    },
    onGivenUp(error) {
      refused = { why: isFull(error) ? 'the disk of the database is full' : 'the last append was refused', at: now() }
    },
    check: () => Promise.resolve(refused !== undefined && now() - refused.at < rememberedMs ? refused.why : undefined),
  }
}

/** Who goes on trying is refused every 4.5 s, so that this lasts as long as the trouble; and it is what a process is late by after an outage that nobody ended for it. */
const rememberedMs = 10_000

/** SQLSTATE disk_full. */
const isFull = (error: unknown): boolean => typeof error === 'object' && error !== null && 'code' in error && error.code === '53100'
