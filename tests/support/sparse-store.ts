import { createMemoryEventStore } from '../../src/adapters/event-store/memory/event-store.ts'
import type { RecordedEvent } from '../../src/domain/kernel/envelope.ts'
import type { AppendResult, EventStore } from '../../src/domain/kernel/event-store.ts'
import { positionOf, start, type Position } from '../../src/domain/kernel/position.ts'

const step = 1_021n
const offset = 548n

/** Where the nth event stands: far from zero, with gaps that are not alike, as in a log that counts bytes. */
const outward = (position: Position): Position => {
  const nth = BigInt(position)
  return nth === 0n ? start : positionOf(offset + nth * step + ((nth * nth) % 97n))
}

/** How many events stand at or before a position, whatever it is. */
function inward(position: Position, most: bigint): Position {
  let [low, high] = [0n, most + 1n]
  while (low + 1n < high) {
    const middle = (low + high) / 2n
    if (outward(positionOf(middle)) <= position) low = middle
    else high = middle
  }
  return positionOf(low)
}

/**
 * An engine without SQL for tests: keeps the log in memory, knows streams and one order, has gaps between positions and cannot count. What must not rely
 * on PostgreSQL's dense positions is tried with it.
 */
export function createSparseEventStore(options?: Parameters<typeof createMemoryEventStore>[0]): EventStore {
  const inner = createMemoryEventStore(options)
  const most = async (): Promise<bigint> => BigInt((await inner.head()).position)
  const shown = (event: RecordedEvent): RecordedEvent => ({ ...event, position: outward(event.position) })
  const answer = (result: AppendResult): AppendResult => (result.outcome === 'conflict' ? result : { ...result, position: outward(result.position) })
  return {
    append: async (append) => answer(await inner.append(append)),
    async *readStream(stream, options = {}) {
      const { asOf } = options
      const known = asOf === undefined || asOf instanceof Date ? asOf : inward(asOf, await most())
      for await (const event of inner.readStream(stream, known === undefined ? options : { ...options, asOf: known })) yield shown(event)
    },
    async readAll(read) {
      const { events, through } = await inner.readAll({ ...read, after: inward(read.after, await most()) })
      return { events: events.map(shown), through: outward(through) < read.after ? read.after : outward(through) }
    },
    async *subscribe(subscription) {
      const head = await most()
      if (subscription.after > outward(positionOf(head))) throw new RangeError('the position is ahead of the log')
      for await (const delivery of inner.subscribe({ ...subscription, after: inward(subscription.after, head) })) {
        const through = outward(delivery.through)
        yield delivery.kind === 'page' ? { kind: 'page', events: delivery.events.map(shown), through } : { kind: 'caught-up', through }
      }
    },
    async head() {
      const { position, recordedAt } = await inner.head()
      return { position: outward(position), recordedAt }
    },
    distance: (from, to) => Promise.resolve({ events: undefined, ratio: to === start ? 1 : Math.min(1, Number(from) / Number(to)) }),
    close: inner.close,
  }
}
