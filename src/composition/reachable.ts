import { setTimeout as sleep } from 'node:timers/promises'

/** For whoever runs it: there is no database to start with. */
class DatabaseAway extends Error {
  override readonly name = 'DatabaseAway'
}

/**
 * A database of its own may be started in the same minute as we are (compose, a reboot): what cannot be reached yet is asked again for a while.
 * @throws DatabaseAway when the while is over, or when we are told to stop meanwhile: nothing is open yet that would have to be closed
 */
export async function reachable<T>(
  work: () => Promise<T>,
  {
    log,
    signal,
    patienceMs = 60_000,
  }: { log: { readonly warn: (fields: object, message: string) => void }; signal: AbortSignal; patienceMs?: number },
): Promise<T> {
  const until = performance.now() + patienceMs
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof Error) || !isUnreachable(error)) throw error
      if (signal.aborted || performance.now() > until)
        throw new DatabaseAway(`The database does not answer (${reasonOf(error)}). Look at DATABASE_URL.`, { cause: error })
      log.warn({ err: error }, 'the database does not answer yet; trying again')
      await sleep(1_000, undefined, { signal }).catch(() => undefined)
    }
  }
}

/** A name with several addresses fails with all their errors and no message of its own. */
const reasonOf = (error: Error): string => (error.message === '' && 'code' in error ? String(error.code) : error.message)
const notYet = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ECONNRESET', 'ETIMEDOUT', 'ENOENT', '57P03'])
const isUnreachable = (error: Error): boolean => 'code' in error && notYet.has(String(error.code))
