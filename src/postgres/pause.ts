import { setTimeout as sleep } from 'node:timers/promises'

/** Waits, unless the signal ends it: then false at once. */
export async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false
  return sleep(ms, undefined, { signal }).then(
    () => true,
    () => false,
  )
}
