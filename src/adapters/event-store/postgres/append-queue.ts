import { StoreUnavailable } from '../../../domain/kernel/event-store.ts'
import type { Prepared } from '../prepared.ts'
import type { Unit } from './append-batch.ts'

export type QueueLimits = { readonly appends: number; readonly bytes: number }

/**
 * Appends that wait for a lane. A stream stands in at most one place: in `ready`, in flight, or neither; what comes for it meanwhile waits behind it,
 * so appends of one stream commit in the order of their calls, a batch never holds a stream twice, and taking a batch never searches the queue.
 */
export type AppendQueue = {
  readonly size: () => number
  readonly readySize: () => number
  /** @throws StoreUnavailable when the queue is full. */
  readonly push: (append: Prepared) => void
  /** The next batch: whoever is ready, in order. Its streams are in flight until `done`. */
  readonly take: (maxUnits: number, maxBytes: number) => Unit[]
  readonly done: (units: readonly Unit[]) => void
  /** Empties the queue, but not what is in flight. */
  readonly clear: () => Prepared[]
}

const mergedEvents = 256

export function createAppendQueue(limits: QueueLimits, retryAfterSeconds: () => number): AppendQueue {
  /** Every stream that is ready or in flight, with those that wait behind it. */
  const streams = new Map<string, Prepared[] | undefined>()
  /** Let go of as they are taken: an append holds its request, its body and its answer, and answered ones must not live until the array is cut. */
  let ready: (Prepared | undefined)[] = []
  let taken = 0
  let size = 0
  let bytes = 0

  function unit(first: Prepared, followers: readonly Prepared[]): Unit {
    let events = first.append.events.length
    let { weight } = first
    for (const follower of followers) {
      events += follower.append.events.length
      weight += follower.weight
    }
    return { key: first.key, expected: first.append.expected, callers: [first, ...followers], events, weight }
  }

  /** Appends that expect nothing may go as one: with a hot stream, one per commit would be all that it can take. */
  function followersOf(first: Prepared): readonly Prepared[] {
    const behind = streams.get(first.key)
    if (behind === undefined || first.append.expected !== 'any') return []
    let events = first.append.events.length
    let count = 0
    for (const next of behind) {
      events += next.append.events.length
      if (next.append.expected !== 'any' || events > mergedEvents) break
      count++
    }
    return behind.splice(0, count)
  }

  return {
    size: () => size,
    readySize: () => ready.length - taken,
    push(append) {
      // Into an empty queue goes any append: one that is heavier than the limit would otherwise be told for ever to come again.
      if (size >= limits.appends || (size > 0 && bytes + append.weight > limits.bytes)) {
        throw new StoreUnavailable('queue_full', 'more appends are waiting than the store takes on', retryAfterSeconds())
      }
      size++
      bytes += append.weight
      if (!streams.has(append.key)) {
        streams.set(append.key, undefined)
        ready.push(append)
        return
      }
      const behind = streams.get(append.key)
      if (behind === undefined) streams.set(append.key, [append])
      else behind.push(append)
    },
    take(maxUnits, maxBytes) {
      const units: Unit[] = []
      let weight = 0
      while (units.length < maxUnits && weight < maxBytes) {
        const next = ready[taken]
        if (next === undefined || (units.length > 0 && weight + next.weight > maxBytes)) break
        ready[taken++] = undefined
        const made = unit(next, followersOf(next))
        weight += made.weight
        size -= made.callers.length
        bytes -= made.weight
        units.push(made)
      }
      // The taken part is cut off only now and then: shifting one by one moved the rest of the queue each time.
      if (taken > 1024 || taken === ready.length) {
        ready = ready.slice(taken)
        taken = 0
      }
      return units
    },
    done(units) {
      for (const { key } of units) {
        const behind = streams.get(key)
        const next = behind?.shift()
        if (next === undefined) streams.delete(key)
        else ready.push(next)
      }
    },
    clear() {
      const waiting = ready.slice(taken).filter((append) => append !== undefined)
      for (const { key } of waiting) {
        const behind = streams.get(key)
        if (behind !== undefined) waiting.push(...behind)
        streams.delete(key)
      }
      // What waits behind a stream in flight goes too; the stream itself stays until `done`.
      for (const behind of streams.values()) if (behind !== undefined) waiting.push(...behind.splice(0))
      ready = []
      taken = 0
      size = 0
      bytes = 0
      return waiting
    },
  }
}
