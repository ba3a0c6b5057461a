import type { AllStreamResolvedEvent } from '@eventstore/db-client'
import type { LogFilter } from '../../../domain/kernel/event-store.ts'
import type { Connection } from './connection.ts'
import { failureOf } from './failure.ts'
import { serverFilter } from './filters.ts'

/** Where a subscription starts: behind a record. `prepare` before `commit` is a checkpoint between two records, and has to go back to the server as it came. */
export type Place = 'start' | { readonly commit: bigint; readonly prepare: bigint }

/**
 * Why a subscription ended. `overflow`: the server had more live events than it buffers (64 of them, whatever the reader does) · `silent`: no answer, or none any
 * more · `ended`: without an error, which is a drop too · `illegal`: the place is none.
 */
export type Drop = { readonly why: 'overflow' | 'silent' | 'ended' | 'broken' | 'illegal'; readonly cause?: unknown }

export type Following = { readonly pause: () => void; readonly resume: () => void; readonly stop: () => void }

export type Heard = {
  readonly event: (resolved: AllStreamResolvedEvent) => void
  /** Everything before this place was looked at. */
  readonly checkpoint: (place: { commit: bigint; prepare: bigint }) => void
  readonly caughtUp: () => void
  /** Once, and nothing comes after it. Not called for `stop`. */
  readonly dropped: (drop: Drop) => void
}

/** Before it is caught up a subscription always has something to say, if only how far it looked; live it may be silent for days. */
const silenceMs = 10_000
const buffered = 512

/**
 * One filtered subscription to everything after a place, in order. It ends with the first trouble; going on from the last event is the caller's
 * (`tail.ts`, `scan.ts`).
 *
 * OPENING → CATCHING UP → LIVE ⇄ CATCHING UP (newer servers: `fellBehind`) → DROPPED or STOPPED.
 *
 * The client tells of checkpoints and of being caught up when it meets them on the wire, while events that came before may still wait in its buffer: what it
 * tells counts only once they are through, or a checkpoint would skip them.
 */
export function follow(connection: Connection, { from, filter }: { from: Place; filter: LogFilter }, heard: Heard): Following {
  let ended = false
  let live = false
  let paused = false
  let delivered = 0
  let marks: { readonly after: number; readonly run: () => void }[] = []
  let timer: NodeJS.Timeout | undefined
  const life = connection.life()

  const mark = (run: () => void): void => {
    const after = delivered + subscription.readableLength
    if (after === delivered && marks.length === 0) run()
    else marks.push({ after, run })
  }
  const subscription = connection.client().subscribeToAll(
    {
      fromPosition: from,
      filter: serverFilter(
        filter,
        (_, place) => {
          touch()
          mark(() => {
            if (!ended) heard.checkpoint(place)
          })
        },
        connection.naming.prefix,
      ),
      credentials: connection.credentials,
      requiresLeader: true,
    },
    { highWaterMark: buffered },
  )

  function touch(): void {
    clearTimeout(timer)
    if (!ended && !live && !paused) timer = setTimeout(() => drop({ why: 'silent' }), silenceMs)
  }

  function end(): void {
    ended = true
    clearTimeout(timer)
    life.removeEventListener('abort', onLifeOver)
    // Cancelled and left to run dry: destroyed, it would never come to its end, and the client keeps whatever has not ended in a list.
    void subscription.unsubscribe().catch(() => undefined)
    subscription.resume()
  }

  function drop(why: Drop): void {
    if (ended) return
    end()
    heard.dropped(why)
  }

  const onLifeOver = (): void => drop({ why: 'broken' })
  if (life.aborted) queueMicrotask(onLifeOver)
  else life.addEventListener('abort', onLifeOver, { once: true })
  // Stays to the end and after it: a second 'error' without a listener would end the process.
  subscription.on('error', (error) => drop(dropOf(error)))
  subscription.on('end', () => drop({ why: 'ended' }))
  subscription.on('close', () => drop({ why: 'ended' }))
  subscription.on('confirmation', touch)
  subscription.on('fellBehind', () => {
    live = false
    touch()
  })
  subscription.on('caughtUp', () =>
    mark(() => {
      live = true
      clearTimeout(timer)
      if (!ended) heard.caughtUp()
    }),
  )
  subscription.on('data', (resolved: AllStreamResolvedEvent) => {
    if (ended) return
    delivered++
    touch()
    heard.event(connection.naming.here(resolved))
    for (let next = marks[0]; next !== undefined && next.after <= delivered; next = marks[0]) {
      marks.shift()
      next.run()
    }
  })
  touch()

  return {
    pause() {
      paused = true
      clearTimeout(timer)
      subscription.pause()
    },
    resume() {
      paused = false
      touch()
      subscription.resume()
    },
    stop() {
      if (ended) return
      marks = []
      end()
    },
  }
}

function dropOf(error: unknown): Drop {
  const failure = failureOf(error)
  if (failure.kind === 'illegal-position') return { why: 'illegal', cause: error }
  if (failure.kind === 'again' && failure.code === 10) return { why: 'overflow', cause: error }
  return { why: 'broken', cause: error }
}
