import { createHash } from 'node:crypto'
import type { Pool } from 'pg'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { streamName, type StreamRef } from '../../domain/kernel/stream.ts'
import { keepCompared, type Compared, type Move, type Pair } from './moves.ts'
import { eventsOf, pagesOf } from './pages.ts'

/** The two logs are not the same. What differs is named, never a value. */
export class LogsDiffer extends Error {
  override readonly name = 'LogsDiffer'
}

export type CompareOptions = {
  readonly pool: Pool
  readonly move: Move
  readonly source: EventStore
  readonly destination: EventStore
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((compared: Compared) => void) | undefined
  /** Some of the streams, to be read one by one as well: that goes another way through both stores. */
  readonly sample?: Sample | undefined
}

/**
 * Reads both logs side by side, as far as the source was copied, and holds every event against its twin: the same order, ids, streams, versions, times, data
 * and bodies. Counting and hashing stream by stream would need a table of all streams in memory and prove less: two logs that are equal event by event are
 * equal in every stream. The chain of hashes is what two runs can be compared by. Where each event stands in either log is kept, for `positions.ts`.
 */
export async function compareOn({ pool, move, source, destination, signal, onProgress, sample }: CompareOptions): Promise<Move> {
  let { compared } = move
  const twins = eventsOf(destination, compared.destination)
  try {
    for await (const { events } of pagesOf(source, compared.source, signal)) {
      const due = events.filter(({ position }) => position <= move.copied.through)
      const pairs: Pair[] = []
      const hash = createHash('sha256')
      let { digest, streams, bodies } = compared
      for (const event of due) {
        const next = await twins.next()
        if (next.done === true) throw new LogsDiffer(`${placeOf(event)} is missing in the destination.`)
        const twin: RecordedEvent = next.value
        const different = differences(event, twin)
        if (different.length > 0) throw new LogsDiffer(`${placeOf(event)} and ${placeOf(twin)} differ in ${different.join(', ')}.`)
        pairs.push({ source: event.position, destination: twin.position })
        digest = hash.copy().update(digest).update(contentOf(event)).digest()
        if (event.version === 1) {
          streams++
          sample?.meet(event.stream)
        }
        if (event.attachment !== undefined) bodies++
      }
      const last = pairs.at(-1)
      if (last === undefined) break
      const after = { ...last, events: compared.events + due.length, streams, bodies, digest }
      await keepCompared(pool, move.id, compared, after, pairs)
      compared = after
      onProgress?.(compared)
      if (due.length < events.length) break
    }
  } finally {
    await twins.return(undefined)
  }
  return { ...move, compared }
}

/** Both logs end where the comparison did. */
export async function endsAgree({ source, destination, move: { compared } }: Pick<CompareOptions, 'source' | 'destination' | 'move'>): Promise<void> {
  for (const [name, store, after] of [
    ['source', source, compared.source],
    ['destination', destination, compared.destination],
  ] as const) {
    const { events } = await store.readAll({ after, limit: 1 })
    if (events[0] !== undefined) throw new LogsDiffer(`The ${name} goes on behind what was copied, with ${placeOf(events[0])}.`)
  }
}

const placeOf = ({ stream, version, position }: RecordedEvent): string => `version ${version} of ${streamName(stream)} (position ${Number(position)})`

function differences(a: RecordedEvent, b: RecordedEvent): string[] {
  const fields: [string, boolean][] = [
    ['stream', streamName(a.stream) === streamName(b.stream)],
    ['version', a.version === b.version],
    ['id', a.id === b.id],
    ['type', a.type === b.type],
    ['schema version', a.schemaVersion === b.schemaVersion],
    ['time of recording', a.recordedAt.getTime() === b.recordedAt.getTime()],
    ['data', canonical(a.data) === canonical(b.data)],
    ['metadata', canonical(a.meta) === canonical(b.meta)],
    // A body that retention has removed from the source since it was copied is none that is missing.
    ['body', a.attachment === undefined || (b.attachment !== undefined && Buffer.compare(a.attachment, b.attachment) === 0)],
  ]
  return fields.filter(([, same]) => !same).map(([name]) => name)
}

const contentOf = (event: RecordedEvent): string =>
  canonical([streamName(event.stream), event.version, event.id, event.type, event.schemaVersion, event.recordedAt.getTime(), event.data, event.meta])

/** JSON with its keys in order: an engine may give them back in another one. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )

/** Any so many of the streams met, each with the same chance; each is met once. */
export type Sample = { readonly meet: (stream: StreamRef) => void; readonly streams: () => readonly StreamRef[] }

export function createSample(size: number, random: () => number = Math.random): Sample {
  const kept: StreamRef[] = []
  let met = 0
  return {
    meet(stream) {
      met++
      if (kept.length < size) kept.push(stream)
      else {
        const place = Math.floor(random() * met)
        if (place < size) kept[place] = stream
      }
    },
    streams: () => kept,
  }
}

/** Streams read one by one from both, as of where the comparison has come to: the source may be going on. @returns how many */
export async function compareStreams(
  streams: readonly StreamRef[],
  { source, destination, move: { compared } }: Pick<CompareOptions, 'source' | 'destination' | 'move'>,
): Promise<number> {
  for (const stream of streams) {
    const twins = destination.readStream(stream, { attachments: true, asOf: compared.destination })[Symbol.asyncIterator]()
    for await (const event of source.readStream(stream, { attachments: true, asOf: compared.source })) {
      const next = await twins.next()
      if (next.done === true) throw new LogsDiffer(`Read by itself, ${streamName(stream)} ends before version ${event.version} in the destination.`)
      const different = differences(event, next.value)
      if (different.length > 0)
        throw new LogsDiffer(`Read by itself, version ${event.version} of ${streamName(stream)} differs in ${different.join(', ')}.`)
    }
    const more = await twins.next()
    if (more.done !== true) throw new LogsDiffer(`Read by itself, ${streamName(stream)} is longer in the destination.`)
  }
  return streams.length
}
