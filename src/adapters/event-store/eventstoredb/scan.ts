import type { LogFilter } from '../../../domain/kernel/event-store.ts'
import { later, type Position } from '../../../domain/kernel/position.ts'
import type { Connection } from './connection.ts'
import { follow, type Drop } from './follow.ts'
import type { Decoded } from './decoded.ts'
import { decode, neverBack } from './mapping.ts'
import { lookedThrough, type Origin } from './places-in-log.ts'

/** What was found since the last part, in order, and how far was looked. `caughtUp`: up to the end of the log as it was when the scan began. */
export type Part = { readonly found: readonly Decoded[]; readonly through: Position; readonly caughtUp: boolean }

/** The scan broke off; what it brought is whole up to the last part's `through`. */
export class ScanBroken extends Error {
  override readonly name = 'ScanBroken'
  readonly why: Drop['why']
  constructor({ why, cause }: Drop) {
    super(`the subscription ended: ${why}`, { cause })
    this.why = why
  }
}

export type ScanOptions = {
  readonly filter: LogFilter
  readonly signal: AbortSignal
  /** A part with events has at least so many, unless the end is reached or it has taken long: what arrives comes in crumbs. */
  readonly least: number
}

/** More than this is not held ready for a reader that does not come. */
const most = 1_000
const progressEveryMs = 250

/** Reads forward through the log as fast as its reader takes it, up to the present end. */
export async function* scan(connection: Connection, origin: Origin, { filter, signal, least }: ScanOptions): AsyncGenerator<Part> {
  const enough = Math.min(most, least)
  let found: Decoded[] = []
  let through = origin.skip
  let news = false
  let told = performance.now()
  let caughtUp = false
  let broken: Drop | undefined
  let wake = (): void => undefined
  let paused = false
  const inOrder = neverBack()

  const said = (position: Position): void => {
    if (position > through) through = position
    news = true
    wake()
  }
  const following = follow(
    connection,
    { from: origin.from, filter },
    {
      event(resolved) {
        for (const decoded of decode(resolved)) {
          if (decoded.event.position <= origin.skip) continue
          found.push(inOrder(decoded))
          said(decoded.event.position)
        }
        if (found.length >= most && !paused) {
          paused = true
          following.pause()
        }
      },
      checkpoint: (place) => said(lookedThrough(place)),
      caughtUp() {
        caughtUp = true
        wake()
      },
      dropped(drop) {
        broken = drop
        wake()
      },
    },
  )
  const onAbort = (): void => wake()
  signal.addEventListener('abort', onAbort)
  try {
    while (!signal.aborted) {
      if (caughtUp || (news && (found.length >= enough || broken !== undefined || performance.now() - told > progressEveryMs))) {
        const part = { found, through: later(through, origin.skip), caughtUp }
        found = []
        news = false
        yield part
        told = performance.now()
        if (part.caughtUp) return
        if (paused) {
          paused = false
          following.resume()
        }
      } else if (broken !== undefined) throw new ScanBroken(broken)
      else {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        wake = () => undefined
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    following.stop()
  }
}
