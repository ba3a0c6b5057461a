import type { AppendResult } from '../../../domain/kernel/event-store.ts'
import type { Position } from '../../../domain/kernel/position.ts'
import type { StreamRef } from '../../../domain/kernel/stream.ts'
import { createAppendQueue } from '../postgres/append-queue.ts'
import type { Unit } from '../postgres/append-batch.ts'
import type { Prepared } from '../prepared.ts'
import type { Body } from './bodies.ts'
import type { BodyPlace, Decoded } from './decoded.ts'
import { createShard, type PackInfo } from './intake-shards-shard.ts'
import { createWindow, type Begun, type DeliveryPlaces, type Window } from './intake-shards-window.ts'
import { physicalName } from './mapping.ts'
import { commitOf, mostInPack, nthOf, shardOf, shards, unpack } from './packs.ts'
import type { PhysicalLog } from './physical-log.ts'

export type IntakeShardsOptions = {
  readonly physical: Pick<PhysicalLog, 'append' | 'readStream' | 'readAt' | 'limits'>
  readonly putBodies: (bodies: readonly Body[]) => Promise<readonly BodyPlace[]>
  /** The delivery's own stream, for what comes after its first append; `base` events of it stand in the shard. */
  readonly own: {
    readonly append: (prepared: Prepared, base: number) => void
    readonly read: (stream: StreamRef, range: { after: number; upTo: number }, base: number) => AsyncIterable<Decoded>
  }
  /** Without it every process keeps all deliveries of the log in mind. */
  readonly places?: DeliveryPlaces | undefined
  /** Milliseconds that the log's time is not before. */
  readonly floor?: () => number | undefined
  /** Told of every pack: the position of its last event. */
  readonly onStored?: (position: Position, recordedAt: number | undefined, info: PackInfo) => void
  /** Deliveries that one shard keeps in mind (8,000). */
  readonly windowSize?: number
}

export type IntakeShards = {
  readonly append: (prepared: Prepared) => void
  readonly read: (stream: StreamRef, range?: { after?: number | undefined; upTo?: number | undefined }) => AsyncGenerator<Decoded>
}

/**
 * Deliveries: many of them in one append (`intake-shards-shard.ts`), and each one's stream as if it stood alone. A stream's first append is in the pack of a shard, everything after
 * it in a stream of its own, `delivery-<tenant>_<id>`; versions count over both.
 */
export function createIntakeShards({
  physical,
  own,
  places,
  windowSize = 8_000,
  floor = () => undefined,
  onStored = () => undefined,
  putBodies,
}: IntakeShardsOptions): IntakeShards {
  const all = Array.from({ length: shards }, (_, shard) => {
    const window = createWindow({ shard, physical, places, size: windowSize })
    // Bounded by who calls: what is accepted at all is counted there.
    const queue = createAppendQueue({ appends: Infinity, bytes: Infinity }, () => 1)
    const { pump } = createShard({ shard, physical, window, places, queue, putBodies, decideBegun, begunAt, locate, floor, onStored })
    return { window, queue, pump }
  })
  const shardFor = (name: string): (typeof all)[number] => {
    const shard = all[shardOf(name)]
    if (shard === undefined) throw new Error('there is a shard for every name')
    return shard
  }

  /** Once in the window or the index, always there: what neither has after the window has looked at what is new has not begun. */
  async function locate(stream: StreamRef): Promise<Begun | undefined> {
    const name = physicalName(stream)
    const { window } = shardFor(name)
    await window.ready()
    return window.get(name) ?? (await indexed(window, stream, name)) ?? (await refreshed(window, name)) ?? (await indexed(window, stream, name))
  }

  async function refreshed(window: Window, name: string): Promise<Begun | undefined> {
    await window.refresh()
    return window.get(name)
  }

  async function indexed(window: Window, stream: StreamRef, name: string): Promise<Begun | undefined> {
    if (window.whole() || places === undefined) return undefined
    const [position] = await places.ofDeliveries([stream])
    return position === undefined ? undefined : begunAt(name, position)
  }

  async function begunAt(name: string, position: Position): Promise<Begun> {
    const events = (await packAt(position)).filter(({ event }) => physicalName(event.stream) === name)
    const [first] = events
    if (first === undefined) throw new Error(`the index of the log places ${name} where it is not`)
    return { first: first.event.position, count: events.length, id: first.event.id }
  }

  async function packAt(position: Position): Promise<readonly Decoded[]> {
    const pack = await physical.readAt(commitOf(position))
    return pack === undefined ? [] : unpack(pack)
  }

  async function decideBegun({ callers }: Unit, begun: Begun): Promise<void> {
    for (const prepared of callers) {
      const repeat = await repeatOf(prepared, begun)
      if (repeat === undefined) await appendOwn(prepared, begun.count)
      else prepared.resolve(repeat)
    }
  }

  /** An append that meets what the stream began with: a repeat, when its events are the very ones. (What lies behind that is decided by the delivery's own stream.) */
  async function repeatOf({ append: { stream, expected, events } }: Prepared, { first, count, id }: Begun): Promise<AppendResult | undefined> {
    if (typeof expected !== 'number' || expected >= count) return undefined
    if (count === 1 && events.length === 1)
      return events[0]?.id.toLowerCase() === id ? { outcome: 'duplicate', version: 1, position: first } : undefined
    let last: Decoded | undefined
    let nth = 0
    for await (const decoded of read(stream, { after: expected, upTo: expected + events.length })) {
      if (decoded.event.id !== events[nth++]?.id.toLowerCase()) return undefined
      last = decoded
    }
    return last === undefined || nth < events.length
      ? undefined
      : { outcome: 'duplicate', version: last.event.version, position: last.event.position }
  }

  const appendOwn = (prepared: Prepared, base: number): Promise<void> =>
    new Promise((answered) =>
      own.append(
        {
          ...prepared,
          resolve(result) {
            prepared.resolve(result)
            answered()
          },
          reject(error) {
            prepared.reject(error)
            answered()
          },
        },
        base,
      ),
    )

  async function* read(
    stream: StreamRef,
    { after = 0, upTo = Infinity }: { after?: number | undefined; upTo?: number | undefined } = {},
  ): AsyncGenerator<Decoded> {
    const begun = await locate(stream)
    if (begun === undefined) return
    const { first, count } = begun
    if (after < count) {
      const from = nthOf(first)
      for (const decoded of (await packAt(first)).slice(from, from + count)) {
        if (decoded.event.version > after && decoded.event.version <= upTo) yield decoded
      }
    }
    if (upTo > count) yield* own.read(stream, { after: Math.max(after, count), upTo }, count)
  }

  return {
    append(prepared) {
      if (prepared.append.events.length > mostInPack) throw new TypeError(`the first append of a delivery has at most ${mostInPack} events`)
      const { queue, pump } = shardFor(physicalName(prepared.append.stream))
      queue.push(prepared)
      pump()
    },
    read,
  }
}
