import type { ResolvedEvent } from '@eventstore/db-client'
import { StoreUnavailable } from '../../../domain/kernel/event-store.ts'
import { start, type Position } from '../../../domain/kernel/position.ts'
import { streamName } from '../../../domain/kernel/stream.ts'
import { intakeStream, isPack, unpack } from './packs.ts'
import type { PhysicalLog } from './physical-log.ts'

/** The first append of a delivery's stream, wherever it stands. The positions of its events are `first`, the next number in the same pack, and so on. */
export type Begun = { readonly first: Position; readonly count: number; readonly id: string }

type Known = Begun & { readonly revision: bigint }

/** Where deliveries begin that are older than the window: an index beside the log, which is a moment behind it (`../places/`). */
export type DeliveryPlaces = {
  readonly ofDeliveries: (wanted: readonly { readonly tenantId: string; readonly id: string }[]) => Promise<readonly (Position | undefined)[]>
  readonly indexed: () => Promise<Position>
  readonly waitFor: (position: Position, timeoutMs: number) => Promise<boolean>
}

export type WindowOptions = {
  readonly shard: number
  readonly physical: Pick<PhysicalLog, 'readStream'>
  /** Without an index the window holds the whole shard. */
  readonly places?: DeliveryPlaces | undefined
  /** Deliveries it holds while the index keeps up; eight times as many when it does not, and no more. */
  readonly size: number
}

/**
 * The deliveries that one shard of the log took last. NEW → LOADING (read backwards from the end) → KNOWING everything from `from` to `tip`.
 * Invariant: every delivery of the shard up to revision `tip` is in the window or in the index. So what is let go of was indexed first, and what is found in neither
 * can only have come after `tip`: an append that expects exactly `tip` then decides.
 */
export type Window = {
  /** Loads it, once; again after a failure. @throws StoreUnavailable while the index has not come to where the window begins. */
  readonly ready: () => Promise<void>
  /** The last revision known of; -1 before the first. */
  readonly tip: () => bigint
  /** Whether nothing of the shard is older than the window. */
  readonly whole: () => boolean
  readonly get: (stream: string) => Begun | undefined
  /** Of an own append. Left to the next `refresh` when something before it was not read yet. */
  readonly add: (stream: string, known: Known) => void
  /** Reads what others have appended up to the moment it is called, as far as the server shows it. */
  readonly refresh: () => Promise<void>
  /** Lets go of what is too much, never of anything after `floor`. @throws StoreUnavailable when the index is so far behind that nothing more can be remembered. */
  readonly trim: (floor: bigint) => Promise<void>
  readonly size: () => number
  /** Forgets everything: to be loaded anew. */
  readonly reset: () => void
}

/** How many times its size it may hold while the index is behind: a minute of a flood, and some 20 MB for each shard. */
const lagFactor = 8
/** Packs of one read. */
const page = 100
const patienceMs = 5_000

export function createWindow({ shard, physical, places, size }: WindowOptions): Window {
  const stream = intakeStream(shard)
  const most = lagFactor * size
  const known = new Map<string, Known>()
  let tip = -1n
  let whole = true
  let loading: Promise<void> | undefined
  let refreshing: Promise<void> | undefined
  let refreshingNext: Promise<void> | undefined
  let indexed = start

  /** Backwards as far as it holds, or as far as the index has not come; then turned around, so that the oldest is let go of first. */
  async function load(): Promise<void> {
    const index = places === undefined ? undefined : { places, upTo: await places.indexed() }
    const found: [string, Known][] = []
    let last = -1n
    let before: bigint | 'end' = 'end'
    let atStart = false
    for (let enough = false; !enough && !atStart;) {
      const packs = await physical.readStream(stream, { from: before, backwards: true, limit: page })
      for (const pack of packs) {
        const { revision } = recorded(pack)
        if (last === -1n) last = revision
        before = revision - 1n
        found.push(...beginnings(pack).toReversed())
      }
      atStart = packs.length < page || before === -1n
      enough = index !== undefined && found.length >= size && (oldestOf(found) <= index.upTo || found.length >= most)
    }
    if (!atStart && index !== undefined && !(await index.places.waitFor(oldestOf(found), patienceMs))) throw behind()
    known.clear()
    for (const [name, one] of found.toReversed()) known.set(name, one)
    tip = last
    whole = atStart
  }

  async function forward(): Promise<void> {
    await ready()
    for (let full = true; full;) {
      const after = tip
      const packs = await physical.readStream(stream, { from: after + 1n, limit: page })
      full = packs.length === page
      if (tip < after) {
        // Loaded anew meanwhile, from an earlier end: what was read would leave a hole.
        full = true
        continue
      }
      for (const pack of packs) {
        const { revision } = recorded(pack)
        // Our own append may have been answered while this was read.
        if (revision <= tip) continue
        for (const [name, one] of beginnings(pack)) known.set(name, one)
        tip = revision
      }
    }
  }

  function ready(): Promise<void> {
    loading ??= load().catch((error: unknown) => {
      loading = undefined
      throw error
    })
    return loading
  }

  /** One that is under way may have read already what was the end before the caller came: it is waited for, and everybody who waits shares the one after it. */
  function refresh(): Promise<void> {
    if (refreshing === undefined) {
      refreshing = forward().finally(() => {
        refreshing = undefined
      })
      return refreshing
    }
    refreshingNext ??= refreshing
      .catch(() => undefined)
      .then(() => {
        refreshingNext = undefined
        return refresh()
      })
    return refreshingNext
  }

  return {
    ready,
    tip: () => tip,
    whole: () => whole,
    get: (name) => known.get(name),
    add(name, one) {
      if (one.revision > tip + 1n) return
      known.set(name, one)
      if (one.revision > tip) tip = one.revision
    },
    refresh,
    async trim(floor) {
      if (places === undefined || known.size <= size) return
      for (const [name, { first, revision }] of known) {
        if (known.size <= size || revision > floor) break
        if (first > indexed) {
          indexed = await places.indexed()
          if (first > indexed && known.size > most && !(await places.waitFor(first, patienceMs))) throw behind()
          if (first > indexed && known.size <= most) break
        }
        known.delete(name)
        whole = false
      }
    },
    size: () => known.size,
    reset() {
      loading = undefined
      tip = -1n
      known.clear()
    },
  }
}

const behind = (): StoreUnavailable =>
  new StoreUnavailable('connection', 'the index of the log is too far behind to tell whether a delivery is new', 5)

const oldestOf = (found: readonly [string, Known][]): Position => found.at(-1)?.[1].first ?? start

function recorded({ event }: ResolvedEvent): NonNullable<ResolvedEvent['event']> {
  if (event === undefined) throw new Error('an event of a shard is no link')
  return event
}

/** The streams that begin in a pack. */
function beginnings(pack: ResolvedEvent): [string, Known][] {
  if (!isPack(pack)) return []
  const { revision } = recorded(pack)
  const found = new Map<string, Known>()
  for (const { event } of unpack(pack)) {
    const name = streamName(event.stream)
    const begun = found.get(name)
    found.set(name, begun === undefined ? { first: event.position, count: 1, id: event.id, revision } : { ...begun, count: begun.count + 1 })
  }
  return [...found]
}
