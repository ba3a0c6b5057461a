import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { LogFilter } from '../../../domain/kernel/event-store.ts'
import type { CommitObserver } from './group-commit.ts'
import { LogHole, type Page } from './read-log.ts'

export type TailLimits = { readonly events: number; readonly bytes: number }

/** One subscriber's view of the tail. */
export type TailReader = {
  /** Events after a position that match; undefined when the ring does not have them (any more). @throws LogHole when the tail met one. */
  readonly read: (after: number, limit: number) => { events: readonly RecordedEvent[]; through: number } | undefined
  readonly close: () => void
}

/**
 * The end of the log in memory, in position order: a ring of the last events, shared by all subscribers of this process. What all of them have come past is
 * let go at once: kept until the ring is full, every event outlives the young generation and is copied on its way there (a loop that does nothing but feed
 * readers takes a tenth to a quarter less of the processor without that).
 * What no subscriber asked for only holds its place: raw deliveries in a process that has no intake would otherwise outlive the young generation
 * (a tenth of the time of a webhook went into collecting them).
 */
export type Tail = CommitObserver & {
  /** From here on, what is committed is kept: the log ended at `at`, read after `expectBlocks`. */
  readonly open: (at: number) => void
  /** Opening: blocks that are committed while the head is being read are not lost. */
  readonly expectBlocks: () => void
  readonly close: () => void
  /** Everything up to here has been in the ring. */
  readonly head: () => number
  /** Somebody's commit was heard of: the log reaches at least to this position. */
  readonly heard: (position: number) => void
  /** True when nothing is known of that is not in the ring yet. */
  readonly complete: () => boolean
  readonly reader: (filter: LogFilter) => TailReader
  /** Resolves when there may be something after the position, and when the signal says stop. */
  readonly changed: (after: number, signal: AbortSignal) => Promise<void>
}

/** `undefined`: an event that nobody asked for. */
type Kept = RecordedEvent | undefined
type Block = { readonly events: readonly Kept[]; readonly weight: number }
/** `at`: up to where its reader has come. */
type Interest = { readonly tenantId: string | undefined; readonly types: ReadonlySet<string> | undefined; at: number }

const fillPage = 1_000
const refillMs = 250
/** How many events one read looks through for matches before it hands on what it has. */
const scanned = 10_000
/**
 * Under load the tail grows this often and not with every commit: each growth wakes every subscriber, and whoever has something to do makes a page of it.
 * At 1,200 messages/s there were 125 commits a second, and as many pages of ten messages of every read model that takes all of them.
 */
const beatEveryMs = 20
/** Beats that may follow each other at once, when there were none for a while: a message that comes alone is not held up on its way. */
const spareBeats = 3

/**
 * CLOSED → OPENING → OPEN(head) → CLOSED. `committed` brings the blocks of this process, `heard` tells of everybody's.
 * Two lanes may be answered in another order than they committed, so a block waits until the one before it is there. When nobody in flight can bring that
 * one any more, another process has written it (or an answer got lost), and it is read from the database.
 * Invariant: the ring holds consecutive positions up to `head`, each of them was added once.
 */
export function createTail(
  fetch: (after: number, limit: number) => Promise<Page>,
  limits: TailLimits,
  { beatMs = beatEveryMs }: { beatMs?: number } = {},
): Tail {
  let state: 'closed' | 'opening' | 'open' = 'closed'
  let session = 0
  let head = 0
  let known = 0
  let hole: LogHole | undefined
  let ring: Kept[] = []
  const interests = new Set<Interest>()
  let weights: number[] = []
  let oldest = 1 // the position that the ring begins with; head + 1 when it is empty
  let bytes = 0
  const early = new Map<number, Block>() // by the position before the block
  const inFlight = new Set<number>()
  let batches = 0
  /** Batches that were in flight when something was seen to be missing: one of them may be it. */
  let suspects: Set<number> | undefined
  let filling = false
  /** When the next beat were due if all came evenly; it may come `spareBeats` sooner. */
  let due = 0
  let beating: NodeJS.Timeout | undefined
  let waiting = new Set<() => void>()

  function wake(): void {
    const woken = waiting
    waiting = new Set()
    for (const resolve of woken) resolve()
  }

  function dropOldest(): void {
    const slot = oldest % limits.events
    bytes -= weights[slot] ?? 0
    ring[slot] = undefined
    oldest++
  }

  const asks = ({ tenantId, types }: Interest, type: string, ofTenant: string): boolean =>
    (tenantId === undefined || ofTenant === tenantId) && (types === undefined || types.has(type))

  function wants(type: string, ofTenant: string): boolean {
    for (const interest of interests) if (asks(interest, type, ofTenant)) return true
    return false
  }

  function add(events: readonly Kept[], weightEach: number): void {
    for (const event of events) {
      if (head - oldest + 1 >= limits.events) dropOldest()
      head++
      ring[head % limits.events] = event
      const weight = event === undefined ? 0 : weightEach
      weights[head % limits.events] = weight
      bytes += weight
    }
    while (bytes > limits.bytes && oldest <= head) dropOldest()
    dropWhatAllHave()
    known = Math.max(known, head)
  }

  /** Whoever comes later begins in the database, as whoever is too slow for the ring does. */
  function dropWhatAllHave(): void {
    let slowest = Number.POSITIVE_INFINITY
    for (const { at } of interests) if (at < slowest) slowest = at
    if (slowest === Number.POSITIVE_INFINITY) return
    while (oldest <= slowest && oldest <= head) dropOldest()
  }

  /** Grows at once, or with the next beat. */
  function advance(): void {
    if (beating !== undefined) return
    const wait = due - (spareBeats - 1) * beatMs - performance.now()
    if (wait > 0) beating = setTimeout(grow, wait)
    else grow()
  }

  /** Adds what fits on, and asks for what is missing once nobody in flight can bring it. */
  function grow(): void {
    beating = undefined
    if (state !== 'open') return
    const before = head
    for (let grown = true; grown;) {
      grown = false
      for (const [start, { events, weight }] of early) {
        if (start > head) continue
        early.delete(start)
        add(events.slice(head - start), weight / events.length)
        grown = true
      }
    }
    if (head > before) {
      due = Math.max(due, performance.now()) + beatMs
      wake()
    }
    if (head >= known) suspects = undefined
    else {
      suspects ??= new Set(inFlight)
      if (suspects.size === 0) void fill()
    }
  }

  async function fill(): Promise<void> {
    if (filling || hole !== undefined) return
    filling = true
    const mine = session
    try {
      const page = await fetch(head, fillPage)
      if (mine !== session) return
      add(page.events.slice(head - (page.through - page.events.length)), page.weight / page.events.length)
      // Heard of and not there: the NOTIFY was none of ours. What waits in memory is proof, hearsay is not.
      if (page.events.length === 0) known = Math.max(head, ...[...early].map(([start, { events }]) => start + events.length))
      suspects = undefined
      wake()
    } catch (error) {
      if (mine === session && error instanceof LogHole) {
        hole = error
        wake()
      }
      await new Promise((resolve) => setTimeout(resolve, refillMs).unref())
    } finally {
      filling = false
      advance()
    }
  }

  return {
    began() {
      inFlight.add(++batches)
      return batches
    },
    wants: (type, ofTenant) => state !== 'closed' && wants(type, ofTenant),
    committed(before, events, weight) {
      if (events.length === 0 || state === 'closed') return
      early.set(before, { events, weight })
      known = Math.max(known, before + events.length)
      advance()
    },
    ended(batch) {
      inFlight.delete(batch)
      suspects?.delete(batch)
      if (suspects?.size === 0) advance()
    },
    expectBlocks() {
      state = 'opening'
    },
    open(at) {
      state = 'open'
      session++
      head = at
      known = Math.max(known, at)
      oldest = at + 1
      for (const [start, { events }] of early) if (start + events.length <= at) early.delete(start)
      grow()
    },
    close() {
      state = 'closed'
      session++
      clearTimeout(beating)
      beating = undefined
      head = 0
      known = 0
      hole = undefined
      ring = []
      weights = []
      bytes = 0
      suspects = undefined
      early.clear()
      wake()
    },
    head: () => head,
    heard(position) {
      if (state === 'closed' || position <= known) return
      known = position
      advance()
    },
    complete: () => head >= known,
    reader({ tenantId, types }) {
      const interest: Interest = { tenantId, types: types === undefined ? undefined : new Set(types), at: 0 }
      interests.add(interest)
      // Until now nobody may have asked for what this one does: up to here an empty place can be an event of its.
      const since = Math.max(head, known)
      return {
        read(after, limit) {
          if (hole !== undefined) throw hole
          interest.at = after
          if (after + 1 < oldest) return undefined
          const events: RecordedEvent[] = []
          let through = after
          const end = Math.min(head, after + Math.max(limit, scanned))
          while (through < end && events.length < limit) {
            const event = ring[(through + 1) % limits.events]
            if (event === undefined && through + 1 <= since) return through === after ? undefined : { events, through }
            through++
            if (event !== undefined && asks(interest, event.type, event.stream.tenantId)) events.push(event)
          }
          return { events, through }
        },
        close: () => interests.delete(interest),
      }
    },
    changed(after, signal) {
      if (signal.aborted || head > after || hole !== undefined || state === 'closed') return Promise.resolve()
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
