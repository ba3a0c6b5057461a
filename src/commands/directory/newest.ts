import { setTimeout as sleep } from 'node:timers/promises'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import type { Directory } from './directory.ts'

/** What another process made a moment ago is known here some milliseconds later; this is longer than that. */
const patienceMs = 500

/**
 * Resolves when everything that is in the log now is known to the directory, or after a moment: for a credential that nobody knows, which another api process
 * may have made just now. Those who ask while a look is on its way share the next one, so that guesses cost the log next to nothing.
 */
export function createNewest({ store, directory }: { store: Pick<EventStore, 'head'>; directory: Pick<Directory, 'waitFor'> }): () => Promise<void> {
  let looking: Promise<void> | undefined
  let next: Promise<void> | undefined

  async function look(): Promise<void> {
    const known = store.head().then(({ position }) => directory.waitFor(position))
    await Promise.race([known.catch(() => undefined), sleep(patienceMs)])
  }
  function begin(): Promise<void> {
    const mine = look()
    looking = mine
    void mine.finally(() => {
      if (looking === mine) looking = undefined
    })
    return mine
  }
  return () => {
    if (looking === undefined) return begin()
    // The look under way may have asked for the head before what we ask for was written.
    next ??= looking.then(() => {
      next = undefined
      return begin()
    })
    return next
  }
}
