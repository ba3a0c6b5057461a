import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { StoreUnavailable, type Append, type EventStore } from '../../domain/kernel/event-store.ts'
import { beatLog, enterLog, leaveLog, trustMs, type Gate, type LogHome } from '../../postgres/log-home.ts'

/** The log of this installation is not where the configuration says. */
export class LogElsewhere extends Error {
  override readonly name = 'LogElsewhere'
}

export type GateOptions = {
  /** PostgreSQL: as `recado_worker`. */
  readonly pool: Pool
  /** What EVENT_STORE says. */
  readonly engine: string
  readonly log: { readonly info: (text: string) => void; readonly warn: (text: string) => void }
  /** The log is moving away: the process has to end, and finds out at its next start where to. Once. */
  readonly onLeaving: (why: LogElsewhere) => void
  /** What may still be written while the gate closes: what came of calls that were made before. */
  readonly isLastWord?: (append: Append) => boolean
  readonly everyMs?: number
}

export type LogGate = {
  readonly guard: (store: EventStore) => EventStore
  /** Calls to the outside under way, whose results have yet to be written: they are waited for. */
  readonly minding: (busy: () => number) => void
  /** Takes the process off the list. Call it when nothing appends any more. */
  readonly close: () => Promise<void>
}

const moved = (engine: string, { engine: home, since }: Pick<LogHome, 'engine' | 'since'>): LogElsewhere =>
  new LogElsewhere(
    `The log of this installation is on ${home} since ${since.toISOString()}, and EVENT_STORE says ${engine}. Going on with an old copy would split it in two: set EVENT_STORE=${home}. (recado store copy moves the log.)`,
  )

/**
 * Every append of a process passes here, so that `recado store copy` can be sure of a moment after which there are none.
 * OPEN → CLOSING (frozen: appends are refused, those under way and results of calls that were made before are let finish) → CLOSED (acknowledged) → OPEN again,
 * or → LEFT: the log is moving, and this process ends.
 * Invariant: when the row of the process says that it acknowledged an epoch in which the gate is not open, nothing it was asked to append is under way. A
 * process that could not say for `trustMs` that it is there refuses by itself; its row counts for longer than that.
 *
 * @throws LogElsewhere when the log is on another engine. While it is on its way there, this waits.
 */
export async function openLogGate(options: GateOptions): Promise<LogGate> {
  const { pool, engine, log, onLeaving, isLastWord = () => false, everyMs = 1_000 } = options
  const user = { id: randomUUID(), who: `${hostname()}:${process.pid}` }
  const closing = new AbortController()
  let home = await enter()
  // One that comes into a freeze has called nobody yet.
  let acknowledged = home.epoch
  let heardAt = performance.now()
  let underWay = 0
  let busy = (): number => 0

  async function enter(): Promise<LogHome> {
    for (let tries = 0; ; tries++) {
      const found = await enterLog(pool, user, engine)
      if (found.engine !== engine) throw moved(engine, found)
      if (found.gate !== 'leaving') return found
      if (tries % 30 === 0) {
        log.warn('the log is being moved to another engine; waiting (`recado store status` says how far it is, `recado store abort` calls it off)')
      }
      await sleep(1_000)
    }
  }

  function refusal(append: Append): StoreUnavailable | undefined {
    const { gate }: { gate: Gate } = home
    if (gate !== 'open') {
      if (gate === 'frozen' && acknowledged < home.epoch && isLastWord(append)) return undefined
      return new StoreUnavailable('closed', 'the log takes no events while it is moved to another engine', 5)
    }
    return performance.now() - heardAt < trustMs
      ? undefined
      : new StoreUnavailable('connection', 'PostgreSQL has not answered for long: nobody knows whether the log may still be written', 5)
  }

  function finished(): void {
    underWay--
  }

  function hear(found: LogHome): void {
    heardAt = performance.now()
    if (found.gate !== home.gate) {
      if (found.gate === 'frozen') log.warn('the log is frozen for its move to another engine: appends are refused')
      if (found.gate === 'open' && found.engine === engine) log.info('the log is open again')
    }
    home = found
    if (home.gate === 'open') acknowledged = home.epoch
    else if (underWay === 0 && busy() === 0) acknowledged = home.epoch
  }

  async function beat(): Promise<void> {
    let left = false
    while (!closing.signal.aborted) {
      await sleep(home.gate === 'open' ? everyMs : Math.min(everyMs, 200), undefined, { signal: closing.signal, ref: false }).catch(() => undefined)
      if (closing.signal.aborted) return
      // The row says what was true before it was sent: nothing is under way, and what comes is refused.
      const found = await beatLog(pool, user, acknowledged).catch(() => undefined)
      if (found === undefined) continue
      hear(found)
      if (left || (found.engine === engine && found.gate !== 'leaving')) continue
      left = true
      onLeaving(
        found.engine === engine
          ? new LogElsewhere('The log is being moved to another engine: this process ends, and the next one waits until it is there.')
          : moved(engine, found),
      )
    }
  }
  const beating = beat()

  return {
    guard: (store) => ({
      ...store,
      append(append) {
        const refused = refusal(append)
        if (refused !== undefined) return Promise.reject(refused)
        underWay++
        const appending = store.append(append)
        // Told before the caller is. Not an async function: every delivery passes here, and would wait for two promises more.
        appending.then(finished, finished)
        return appending
      },
    }),
    minding(calls) {
      busy = calls
    },
    async close() {
      closing.abort()
      await beating
      await leaveLog(pool, user).catch(() => undefined)
    },
  }
}
