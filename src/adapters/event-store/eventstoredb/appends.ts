import { StoreUnavailable, type AppendResult, type Expected } from '../../../domain/kernel/event-store.ts'
import type { Prepared } from '../prepared.ts'
import type { Knowledge } from './knowledge.ts'
import { bodiesOfAppend, type Body } from './bodies.ts'
import type { BodyPlace } from './decoded.ts'
import { encodeEvent, physicalName } from './mapping.ts'
import { positionAt } from './packs.ts'
import type { Physical, Revision } from './physical.ts'

export type AppendInfo = { readonly appends: number; readonly events: number; readonly ms: number; readonly queued: number }

export type AppendsOptions = {
  readonly physical: Physical
  readonly knowledge: Knowledge
  /** Makes the attachments durable before the events that name their places. */
  readonly putBodies: (bodies: readonly Body[]) => Promise<readonly BodyPlace[]>
  /** Milliseconds that the log's time is not before; see `recordedAtOf`. */
  readonly floor: () => number | undefined
  readonly onAppend: (info: AppendInfo) => void
}

/** `base`: how many events of the stream stand elsewhere, before the first of its own. */
export type Appends = {
  readonly append: (prepared: Prepared, options?: { base?: number }) => void
  readonly waiting: () => number
}

/** Streams that are written at once: beyond it a call only waits inside the client, where its deadline is already running. */
const lanes = 96
/** What may be on its way at once, unless it is one append alone: the deadline of each runs while it stands in line behind the bytes of the others. */
const lanesBytes = 2 * 1024 * 1024

type Waiting = { readonly prepared: Prepared; readonly base: number }

/**
 * One append in flight per stream: the server takes classic appends of one stream in any order it likes. Streams wait for one of the lanes in the order they came.
 */
export function createAppends({ physical, knowledge, putBodies, floor, onAppend }: AppendsOptions): Appends {
  /** Streams that are in a lane or in `ready`, with those that wait behind their first. */
  const streams = new Map<string, Waiting[]>()
  const ready: string[] = []
  let running = 0
  let weight = 0
  let waiting = 0

  function pump(): void {
    while (running < lanes) {
      const key = ready[0]
      if (key === undefined) return
      const mine = streams.get(key)?.[0]?.prepared.weight ?? 0
      if (running > 0 && weight + mine > lanesBytes) return
      ready.shift()
      running++
      weight += mine
      void work(key, mine)
    }
  }

  async function work(key: string, mine: number): Promise<void> {
    const next = streams.get(key)?.[0]
    if (next !== undefined) await settle(next)
    const left = streams.get(key)
    left?.shift()
    if (left === undefined || left.length === 0) streams.delete(key)
    else ready.push(key)
    waiting--
    running--
    weight -= mine
    pump()
  }

  async function settle({ prepared, base }: Waiting): Promise<void> {
    const since = performance.now()
    try {
      physical.refuseWhileDown()
      const result = await appendOne(prepared, base)
      if (result.outcome === 'appended') {
        onAppend({ appends: 1, events: prepared.append.events.length, ms: performance.now() - since, queued: waiting - running })
      }
      prepared.resolve(result)
    } catch (error) {
      prepared.reject(error)
    }
  }

  async function appendOne(prepared: Prepared, base: number): Promise<AppendResult> {
    const { stream, expected, events } = prepared.append
    if (typeof expected === 'number' && expected < base) return { outcome: 'conflict', version: await lastVersion(physicalName(stream), base) }
    const bodies = await putBodies(bodiesOfAppend(prepared.append).flatMap((body) => body ?? []))
    let nthBody = 0
    const recordedAt = floor()
    const encoded = events.map((event, index) =>
      encodeEvent(prepared, index, {
        base,
        body: event.attachment === undefined ? undefined : bodies[nthBody++],
        recordedAt,
      }),
    )
    const before = knowledge.position()
    const stored = await physical.append(physicalName(stream), encoded, revisionOf(expected, base))
    if (!stored.stored) return { outcome: 'conflict', version: stored.actual === undefined ? base : Number(stored.actual) + 1 + base }
    const position = positionAt(stored.position)
    knowledge.saw(position, recordedAt === undefined ? undefined : Math.abs(recordedAt))
    // The server answers a repeat with the result of the first time, and says no more. What stands where we had already looked before we asked is none of this
    // append's: it was there. (A repeat of what another process wrote within the last moments, unseen by us, is answered as appended, with the right result.)
    const outcome = position <= before ? 'duplicate' : 'appended'
    return { outcome, version: Number(stored.revision) + 1 + base, position }
  }

  async function lastVersion(name: string, base: number): Promise<number> {
    const [last] = await physical.readStream(name, { from: 'end', backwards: true, limit: 1 })
    return last?.event === undefined ? base : Number(last.event.revision) + 1 + base
  }

  return {
    waiting: () => waiting,
    append(prepared, { base = 0 } = {}) {
      waiting++
      const behind = streams.get(prepared.key)
      if (behind === undefined) {
        streams.set(prepared.key, [{ prepared, base }])
        ready.push(prepared.key)
        // Streams of one turn of the event loop start together.
        if (ready.length === 1) setImmediate(pump)
      } else behind.push({ prepared, base })
    },
  }
}

function revisionOf(expected: Expected, base: number): Revision {
  if (expected === 'any') return 'any'
  // With a part of it elsewhere the stream exists as soon as that part does; whoever sent it here has seen to that.
  if (expected === 'exists') return base > 0 ? 'any' : 'stream_exists'
  return expected === base ? 'no_stream' : BigInt(expected - base - 1)
}

/** Bounded: what is accepted waits in memory, attachments and all. */
export function createGate({ maxQueue, maxQueueBytes, closing }: { maxQueue: number; maxQueueBytes: number; closing: AbortSignal }): {
  enter: (prepared: Prepared) => Prepared
  empty: () => Promise<void>
} {
  let inside = 0
  let bytes = 0
  let emptied: (() => void) | undefined
  return {
    /** Counts an append until it is answered. @throws StoreUnavailable when there are too many, or none is taken any more. */
    enter(prepared) {
      if (closing.aborted) throw new StoreUnavailable('closed', 'the event store is closed')
      // Into an empty queue goes any append: one that is heavier than the limit would otherwise be told for ever to come again.
      if (inside >= maxQueue || (inside > 0 && bytes + prepared.weight > maxQueueBytes)) {
        throw new StoreUnavailable('queue_full', 'more appends are waiting than the store takes on', 1)
      }
      inside++
      bytes += prepared.weight
      const leave = (): void => {
        inside--
        bytes -= prepared.weight
        if (inside === 0) emptied?.()
      }
      return {
        ...prepared,
        resolve(result) {
          leave()
          prepared.resolve(result)
        },
        reject(error) {
          leave()
          prepared.reject(error)
        },
      }
    },
    empty: () =>
      new Promise((resolve) => {
        if (inside === 0) resolve()
        else emptied = resolve
      }),
  }
}
