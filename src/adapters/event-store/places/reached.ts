import { later, start, type Position } from '../../../domain/kernel/position.ts'

export type Reached = {
  readonly report: (position: Position) => void
  readonly known: () => Position
  readonly waitFor: (position: Position, timeoutMs: number) => Promise<boolean>
}

const pollMs = 20

/**
 * How far something that another process does has come, for many who wait: what this process does itself is reported and wakes them at once; of another
 * one's work the checkpoint is asked, once for all of them and only while somebody waits.
 */
export function createReached(ask: () => Promise<Position>): Reached {
  let known = start
  const waiting = new Set<{ readonly position: Position; readonly done: () => void }>()
  let polling: NodeJS.Timeout | undefined
  let asking = false

  function report(position: Position): void {
    known = later(known, position)
    for (const waiter of waiting) if (known >= waiter.position) waiter.done()
  }

  function look(): void {
    if (asking) return
    asking = true
    void ask()
      .then(report, () => undefined)
      .finally(() => {
        asking = false
      })
  }

  return {
    report,
    known: () => known,
    waitFor(position, timeoutMs) {
      if (known >= position) return Promise.resolve(true)
      return new Promise((resolve) => {
        const finish = (answer: boolean): void => {
          clearTimeout(timeout)
          waiting.delete(waiter)
          if (waiting.size === 0) {
            clearInterval(polling)
            polling = undefined
          }
          resolve(answer)
        }
        const waiter = { position, done: () => finish(true) }
        const timeout = setTimeout(finish, timeoutMs, false)
        waiting.add(waiter)
        look()
        polling ??= setInterval(look, pollMs)
      })
    },
  }
}
