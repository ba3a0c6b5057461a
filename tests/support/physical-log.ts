import type { EventData, ResolvedEvent } from '@eventstore/db-client'
import { StoreUnavailable } from '../../src/domain/kernel/event-store.ts'
import { start, type Position } from '../../src/domain/kernel/position.ts'
import { AppendTooLarge } from '../../src/adapters/event-store/eventstoredb/failure.ts'
import type { DeliveryPlaces } from '../../src/adapters/event-store/eventstoredb/intake-shards-window.ts'
import { decode } from '../../src/adapters/event-store/eventstoredb/mapping.ts'
import type { PhysicalLog } from '../../src/adapters/event-store/eventstoredb/physical-log.ts'
import type { Decoded } from '../../src/adapters/event-store/eventstoredb/decoded.ts'

type Recorded = NonNullable<ResolvedEvent['event']>

/** What becomes of an append: as wished, or nobody hears whether it was stored. */
export type Fate = 'ok' | 'stored, unknown' | 'not stored, unknown'

/**
 * The streams of a server in memory, for what is decided above it, in thousands of cases a second. Everything takes a turn or more of the event loop; `fate` is
 * asked about each append. `commitTurns`: what was accepted counts for the next append at once, and is read only after so many turns (1), as the server does it.
 * What the server itself does is the double's to know (`tests/support/eventstoredb-double`).
 */
export function createPhysicalLogInMemory({
  fate = () => 'ok',
  commitTurns = () => 1,
  maxAppendBytes = 1024 * 1024,
}: { fate?: (stream: string) => Fate; commitTurns?: () => number; maxAppendBytes?: number } = {}) {
  const streams = new Map<string, Recorded[]>()
  const all: Recorded[] = []
  let committed = -1n
  let committing: Promise<void> = Promise.resolve()
  const appends: { stream: string; bytes: number; events: number }[] = []
  let reads = 0
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

  /** In the order of acceptance, always. */
  async function commit({ position }: Recorded): Promise<void> {
    const before = committing
    committing = (async () => {
      for (let turns = commitTurns(); turns > 0; turns--) await turn()
      await before
      committed = position?.commit ?? committed
    })()
    await committing
  }
  const isCommitted = ({ position }: Recorded): boolean => (position?.commit ?? 0n) <= committed

  function store(stream: string, events: readonly EventData[]): Recorded {
    const stored = streams.get(stream) ?? []
    streams.set(stream, stored)
    const gone = stored[0]?.revision ?? 0n
    let last: Recorded | undefined
    for (const { id, type, contentType, data, metadata } of events) {
      const commit = BigInt(all.length * 100 + 548)
      const text = metadata instanceof Uint8Array ? (JSON.parse(new TextDecoder().decode(metadata)) as Record<string, unknown>) : undefined
      last = {
        streamId: stream,
        id,
        type,
        isJson: contentType === 'application/json',
        data,
        metadata: text,
        revision: gone + BigInt(stored.length),
        created: new Date(1_780_000_000_000 + all.length),
        position: { commit, prepare: commit },
      } as Recorded
      stored.push(last)
      all.push(last)
    }
    if (last === undefined) throw new TypeError('an append has at least one event')
    return last
  }

  const physical: PhysicalLog = {
    limits: { maxAppendBytes },
    async append(stream, events, expected) {
      await turn()
      const bytes = events.reduce((sum, { data }) => sum + (data instanceof Uint8Array ? data.byteLength : JSON.stringify(data).length), 0)
      if (bytes > maxAppendBytes) throw new AppendTooLarge(maxAppendBytes)
      const outcome = fate(stream)
      if (outcome === 'not stored, unknown') throw new StoreUnavailable('connection', 'nobody knows (it was not stored)')
      const last = streams.get(stream)?.at(-1)?.revision ?? -1n
      if (expected !== 'any' && (expected === 'no_stream' ? -1n : expected) !== last)
        return { stored: false, actual: last === -1n ? undefined : last }
      const stored = store(stream, events)
      const { revision, position } = stored
      appends.push({ stream, bytes, events: events.length })
      await commit(stored)
      if (outcome === 'stored, unknown') throw new StoreUnavailable('connection', 'nobody knows (it was stored)')
      return { stored: true, revision, position: position?.commit ?? 0n }
    },
    async readStream(stream, { from = 'start', backwards = false, limit }) {
      await turn()
      reads++
      const stored = (streams.get(stream) ?? []).filter(isCommitted)
      const gone = Number(stored[0]?.revision ?? 0)
      const at = from === 'start' ? 0 : from === 'end' ? stored.length - 1 : Math.max(backwards ? -1 : 0, Number(from) - gone)
      const found = backwards ? stored.slice(0, at + 1).toReversed() : stored.slice(at)
      return found.slice(0, limit).map((event) => ({ event }))
    },
    async readAt(commit) {
      await turn()
      const event = all.find((one) => one.position?.commit === commit && isCommitted(one))
      return event === undefined ? undefined : { event }
    },
  }

  return {
    physical,
    appends,
    reads: () => reads,
    /** The logical events, in log order. */
    events: (): readonly Decoded[] => all.flatMap((event) => decode({ event })),
    /** Of a physical stream, the first ones are gone, as if they had aged. */
    age(stream: string, count: number) {
      streams.set(
        stream,
        (streams.get(stream) ?? []).map((event, nth) => (nth < count ? undefined : event)).filter((event) => event !== undefined),
      )
    },
    /** An index that is behind: `step` says how many more events it takes in whenever it is asked. */
    places(step: () => number): DeliveryPlaces & { asked: () => number } {
      const first = new Map<string, Position>()
      let taken = 0
      let through = start
      let asked = 0
      const take = (count: number): void => {
        for (const { event } of physicalEvents(all, taken, count)) {
          taken++
          through = event.position
          if (event.version === 1) first.set(`${event.stream.tenantId}/${event.stream.id}`, event.position)
        }
      }
      return {
        asked: () => asked,
        async indexed() {
          await turn()
          take(step())
          return through
        },
        async waitFor(position) {
          await turn()
          take(physicalEvents(all, taken, Infinity).filter(({ event }) => event.position <= position).length)
          return through >= position
        },
        async ofDeliveries(wanted) {
          await turn()
          asked++
          return wanted.map(({ tenantId, id }) => first.get(`${tenantId}/${id}`))
        },
      }
    },
  }
}

const physicalEvents = (all: readonly Recorded[], from: number, count: number): readonly Decoded[] =>
  all.flatMap((event) => decode({ event })).slice(from, from + count)
