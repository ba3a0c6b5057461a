import { setTimeout as sleep } from 'node:timers/promises'
import { isOver, type Rebuilds } from '../../projections/engine/rebuilds.ts'
import type { Hub } from './hub.ts'
import { publishProgress, viewsOf } from './progress.ts'

/**
 * One per process: tells those who listen how far rebuilds are. They are not in the log (twice a second a row changes that nobody needs to know of later),
 * so they are looked at: often while one is open, now and then otherwise, not at all while nobody wants to know.
 * Nothing of it can be missed for good: what was open at the last look is looked at until it is over, however late.
 * Rejected: LISTEN/NOTIFY by the rebuild; it would take a notification per report of every rebuild for the few minutes in which anybody looks.
 */
export function watchRebuilds(options: {
  hub: Pick<Hub, 'wanted' | 'aside'>
  rebuilds: Pick<Rebuilds, 'underWay'>
  signal: AbortSignal
  log: { readonly warn: (fields: object, message: string) => void }
  /** For tests. */
  openMs?: number
  idleMs?: number
}): { readonly ended: Promise<void> } {
  const { hub, rebuilds, signal, log, openMs = 1000, idleMs = 5000 } = options
  let open: readonly string[] = []
  let told = new Map<string, ReturnType<typeof viewsOf>>()

  async function look(): Promise<void> {
    const found = await rebuilds.underWay(open)
    if (signal.aborted) return
    const before = told
    told = new Map(
      found.map((rebuild) => {
        const now = viewsOf(rebuild)
        hub.aside(publishProgress(rebuild, now, before.get(rebuild.id)))
        return [rebuild.id, now]
      }),
    )
    open = found.filter(({ state }) => !isOver(state)).map(({ id }) => id)
  }

  async function watch(): Promise<void> {
    while (!signal.aborted) {
      const wanted = hub.wanted('projection.progress')
      try {
        if (wanted) await look()
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error }, 'the feed cannot see how far rebuilds are; trying again')
      }
      await sleep(wanted && open.length > 0 ? openMs : idleMs, undefined, { signal }).catch(() => undefined)
    }
  }
  return { ended: watch() }
}
