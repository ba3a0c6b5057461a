import { setTimeout as sleep } from 'node:timers/promises'
import { StoreUnavailable } from '../../domain/kernel/event-store.ts'

const retryMs = 250

/** Outages are waited out; undefined when the signal ends the wait. Anything else is thrown. */
export async function persistently<T>(read: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  while (!signal.aborted) {
    try {
      return await read()
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      await sleep(retryMs, undefined, { signal }).catch(() => undefined)
    }
  }
  return undefined
}

/** Returns with the work or with the signal, whichever comes first. */
export async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  let stop = (): void => undefined
  const aborted = new Promise<void>((resolve) => {
    stop = resolve
    signal.addEventListener('abort', stop, { once: true })
  })
  await Promise.race([work, aborted])
  signal.removeEventListener('abort', stop)
}
