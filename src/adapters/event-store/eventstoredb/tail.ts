import { setTimeout as sleep } from 'node:timers/promises'
import type { LogFilter } from '../../../domain/kernel/event-store.ts'
import { start, type Position } from '../../../domain/kernel/position.ts'
import type { Connection } from './connection.ts'
import { follow, type Drop, type Place } from './follow.ts'
import type { Head } from './head-of-log.ts'
import type { Knowledge } from './knowledge.ts'
import type { Decoded } from './decoded.ts'
import { decode, neverBack } from './mapping.ts'
import { commitOf } from './packs.ts'
import { persistently, untilAborted } from '../outages.ts'

/** What was found after a position, and how far the tail was looked through. */
export type TailPage = { readonly found: readonly Decoded[]; readonly through: Position }

/** The end of the log in memory, shared by all subscribers of this process: one subscription to the server, however many there are. */
export type Tail = {
  /** Resolves when the tail stands on the log's end, or the signal says stop. Each `join` is followed by a `leave`. */
  readonly join: (signal: AbortSignal) => Promise<void>
  readonly leave: () => void
  /** Events after a position that match; undefined when the ring does not have them (any more). */
  readonly read: (after: Position, filter: LogFilter, limit: number) => TailPage | undefined
  readonly head: () => Position
  /** True when nothing is known of that is not here yet. */
  readonly complete: () => boolean
  /** Resolves when there may be something after the position, and when the signal says stop. */
  readonly changed: (after: Position, signal: AbortSignal) => Promise<void>
}

export type TailOptions = {
  readonly connection: Connection
  readonly knowledge: Knowledge
  readonly readHead: () => Promise<Head>
  readonly limits: { readonly events: number; readonly weight: number }
  readonly onDrop: (drop: Drop) => void
}

const backoffMs = { least: 50, most: 1_000 }
/** Something is known to be in the log and the subscription does not bring it: it is dead and does not know. */
const overdueMs = 3_000
const lookEveryMs = 2_500
/** How many events one read looks through for matches before it hands on what it has. */
const scanned = 10_000

/**
 * CLOSED → OPENING (the head is read) → FOLLOWING ⇄ DROPPED → CLOSED. A drop is a part of normal operation (the server gives up a live subscription that has more
 * than 64 events before it): the tail subscribes again at once from the last place it heard of, and counts. Only a drop without any progress waits before the next.
 * Invariant: the ring holds every event of ours after `floor` up to `head`, in order, each once.
 */
export function createTail({ connection, knowledge, readHead, limits, onDrop }: TailOptions): Tail {
  let members = 0
  let session: { readonly stop: AbortController; readonly opened: Promise<void> } | undefined
  let ring: Decoded[] = []
  let weights: number[] = []
  let weight = 0
  let floor: Position = start
  let head: Position = start
  let isOpen = false
  let waiting = new Set<() => void>()

  function wake(): void {
    const woken = waiting
    waiting = new Set()
    for (const resolve of woken) resolve()
  }

  function add(one: Decoded): void {
    if (one.event.position <= head) return
    head = one.event.position
    ring.push(one)
    const mine = roughWeight(one.event.data)
    weights.push(mine)
    weight += mine
    // Cut in larger pieces: shifting one by one moves the rest of the ring each time.
    if (ring.length > limits.events * 1.25 || weight > limits.weight * 1.25) shrink()
    knowledge.saw(head, one.event.recordedAt.getTime())
  }

  function shrink(): void {
    let cut = 0
    while (cut < ring.length - 1 && (ring.length - cut > limits.events || weight > limits.weight)) weight -= weights[cut++] ?? 0
    floor = ring[cut - 1]?.event.position ?? floor
    ring = ring.slice(cut)
    weights = weights.slice(cut)
  }

  async function open(signal: AbortSignal): Promise<void> {
    const at = await persistently(readHead, signal)
    if (at === undefined) return
    floor = at.position
    head = at.position
    isOpen = true
    void run(at, signal)
    void look(signal)
  }

  async function run(at: Head, signal: AbortSignal): Promise<void> {
    let place: Place = at.position === start ? 'start' : { commit: commitOf(at.position), prepare: commitOf(at.position) }
    const inOrder = neverBack(at.recordedAt)
    let wait = backoffMs.least
    while (!signal.aborted) {
      const before = place
      const drop = await once<Drop>(signal, (dropped) => {
        const following = follow(
          connection,
          { from: place, filter: {} },
          {
            event(resolved) {
              const commit = resolved.event?.position.commit ?? resolved.commitPosition
              if (commit !== undefined) place = { commit, prepare: resolved.event?.position.prepare ?? commit }
              for (const decoded of decode(resolved)) add(inOrder(decoded))
              wake()
            },
            checkpoint(reached) {
              place = reached
            },
            caughtUp: connection.worked,
            dropped,
          },
        )
        restart = () => {
          following.stop()
          dropped({ why: 'silent' })
        }
        return following.stop
      })
      restart = () => undefined
      if (drop === undefined) return
      onDrop(drop)
      if (drop.why === 'broken') connection.failed()
      if (place !== before || drop.why === 'overflow') wait = backoffMs.least
      else {
        await sleep(wait * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => undefined)
        wait = Math.min(backoffMs.most, wait * 2)
      }
    }
  }
  let restart = (): void => undefined

  /** A subscription can die without a word, and another process's events are known by nobody here: now and then somebody has to look. */
  async function look(signal: AbortSignal): Promise<void> {
    let seen = head
    let since = performance.now()
    while (!signal.aborted) {
      await sleep(lookEveryMs, undefined, { signal, ref: false }).catch(() => undefined)
      if (signal.aborted) return
      if (head === seen) await readHead().catch(() => undefined)
      if (head !== seen || complete()) {
        seen = head
        since = performance.now()
      } else if (performance.now() - since > overdueMs) {
        since = performance.now()
        restart()
      }
    }
  }

  const complete = (): boolean => head >= knowledge.position()

  function firstAfter(after: Position): number {
    let low = 0
    let high = ring.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((ring[middle]?.event.position ?? after) <= after) low = middle + 1
      else high = middle
    }
    return low
  }

  return {
    async join(signal) {
      members++
      if (session === undefined) {
        const stop = new AbortController()
        session = { stop, opened: open(stop.signal) }
      }
      await untilAborted(session.opened, signal)
    },
    leave() {
      members--
      if (members > 0) return
      session?.stop.abort()
      session = undefined
      isOpen = false
      ring = []
      weights = []
      weight = 0
      floor = start
      head = start
      wake()
    },
    read(after, { tenantId, types }, limit) {
      if (!isOpen || after < floor) return undefined
      const found: Decoded[] = []
      let through = after
      const first = firstAfter(after)
      const end = Math.min(ring.length, first + Math.max(limit, scanned))
      for (let at = first; at < end && found.length < limit; at++) {
        const one = ring[at]
        if (one === undefined) break
        through = one.event.position
        if ((tenantId === undefined || one.event.stream.tenantId === tenantId) && (types === undefined || types.includes(one.event.type)))
          found.push(one)
      }
      return { found, through }
    },
    head: () => head,
    complete,
    changed(after, signal) {
      if (signal.aborted || head > after || !isOpen) return Promise.resolve()
      return new Promise((resolve) => {
        const done = (): void => {
          signal.removeEventListener('abort', done)
          waiting.delete(done)
          resolve()
        }
        signal.addEventListener('abort', done)
        waiting.add(done)
      })
    },
  }
}

/** What ends a piece of work first: its own word, or the signal (undefined). */
function once<T>(signal: AbortSignal, begin: (done: (value: T) => void) => () => void): Promise<T | undefined> {
  return new Promise((resolve) => {
    let stop = (): void => undefined
    const onAbort = (): void => {
      stop()
      resolve(undefined)
    }
    stop = begin((value) => {
      signal.removeEventListener('abort', onAbort)
      resolve(value)
    })
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
}

/** About how many bytes: texts of the first two levels, the rest by the piece. */
function roughWeight(data: Readonly<Record<string, unknown>>): number {
  let weight = 500
  for (const value of Object.values(data)) {
    if (typeof value === 'string') weight += value.length
    else if (typeof value === 'object' && value !== null) {
      for (const inner of Object.values(value)) weight += typeof inner === 'string' ? inner.length : 60
    }
  }
  return weight
}
