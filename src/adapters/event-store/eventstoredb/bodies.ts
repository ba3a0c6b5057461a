import { randomUUID } from 'node:crypto'
import type { BinaryEventData } from '@eventstore/db-client'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import { StoreUnavailable } from '../../../domain/kernel/event-store.ts'
import { createBlobCache } from './bodies-cache.ts'
import { appendsOf, cutBodies, placeOf } from './bodies-cut.ts'
import { readBlobs, wantedBlobs } from './bodies-read.ts'
import type { BodyPlace, Decoded } from './decoded.ts'
import { rawStream, shards } from './packs.ts'
import type { PhysicalLog } from './physical-log.ts'

const kibibyte = 1024
const mebibyte = 1024 * kibibyte

/** Whether retention has taken an event's body away, by the mark it left. Asked of each one whose body is wanted: cheap. */
export type Purged = (event: Pick<RecordedEvent, 'stream' | 'recordedAt' | 'position'>) => Promise<boolean>

export type BodiesOptions = {
  readonly physical: Pick<PhysicalLog, 'append' | 'readStream' | 'limits'>
  readonly purged?: Purged | undefined
  /** What may wait to be stored (64 MiB), and how much of what was stored or read last is kept at hand (16 MiB). */
  readonly maxBytes?: number
  readonly cacheBytes?: number
}

export type Bodies = {
  /** Durable when it resolves. A body whose event is never appended is found by nobody, and ages with the others. @throws StoreUnavailable */
  readonly put: (bodies: readonly Uint8Array[]) => Promise<readonly BodyPlace[]>
  /** The events with their bodies; without, where it was purged or has aged. */
  readonly fill: (decoded: readonly Decoded[]) => Promise<readonly RecordedEvent[]>
}

/** What a body weighs, before it is read: for pages that must not become too heavy. */
export function bodyBytes(place: BodyPlace | undefined): number {
  const [, ...pieces] = place ?? [0]
  return pieces.reduce((sum, [, , length]) => sum + length, 0)
}

type Waiting = {
  readonly body: Uint8Array
  readonly resolve: (place: BodyPlace) => void
  readonly reject: (error: unknown) => void
}

/** Of a body that shares its blob: reading one body should not bring a mebibyte. */
const sharedBlob = 256 * kibibyte
/** No larger than this are the pieces of a big one, whatever the server takes: an answer has to fit into what the client receives. */
const largestPiece = mebibyte
/** What one append brings at most, whatever the server takes. */
const largestAppend = 4 * mebibyte

/**
 * Raw bodies in streams of their own, `raw-<shard>`, so that they age by the server's own `$maxAge` while the events stay. Each shard is
 * IDLE → WRITING one append → WRITING what came meanwhile … → IDLE: nobody waits for a timer, and what comes in a flood shares appends.
 * They are appended to whatever end the stream has: nothing is decided by it, and a repeat of the very same append is recognised by its first id.
 */
export function createBodies({ physical, purged, maxBytes = 64 * mebibyte, cacheBytes = 16 * mebibyte }: BodiesOptions): Bodies {
  const cache = createBlobCache(cacheBytes)
  const lanes = Array.from({ length: shards }, (_, shard) => ({ shard, waiting: [] as Waiting[], bytes: 0, writing: false }))
  let bytes = 0

  async function write(lane: (typeof lanes)[number]): Promise<void> {
    lane.writing = true
    while (lane.waiting.length > 0) {
      const most = Math.min(largestAppend, physical.limits.maxAppendBytes)
      const batch = take(lane.waiting, most)
      try {
        const places = await store(
          lane.shard,
          batch.map(({ body }) => body),
          most,
        )
        for (const [nth, { resolve }] of batch.entries()) resolve(places[nth] ?? [lane.shard])
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
      for (const { body } of batch) {
        lane.bytes -= body.byteLength
        bytes -= body.byteLength
      }
    }
    lane.writing = false
  }

  async function store(shard: number, batch: readonly Uint8Array[], most: number): Promise<readonly BodyPlace[]> {
    const { blobs, places } = cutBodies(batch, { shared: sharedBlob, piece: Math.min(largestPiece, most) })
    const revisions: number[] = []
    for (const append of appendsOf(blobs, most)) {
      const stored = await physical.append(rawStream(shard), append.map(blobEvent), 'any')
      if (!stored.stored) throw new Error('an append that expects nothing was refused')
      const first = Number(stored.revision) - append.length + 1
      for (const [nth, blob] of append.entries()) {
        revisions.push(first + nth)
        cache.set(shard, first + nth, blob)
      }
    }
    return places.map((pieces) => placeOf(shard, pieces, revisions))
  }

  return {
    put(wanted) {
      const weight = wanted.reduce((sum, body) => sum + body.byteLength, 0)
      if (bytes > 0 && bytes + weight > maxBytes) {
        return Promise.reject(new StoreUnavailable('queue_full', 'more raw bodies are waiting than the store takes on'))
      }
      bytes += weight
      const lane = lanes.reduce((least, one) =>
        one.bytes < least.bytes || (one.bytes === least.bytes && least.writing && !one.writing) ? one : least,
      )
      lane.bytes += weight
      const places = wanted.map((body) => new Promise<BodyPlace>((resolve, reject) => lane.waiting.push({ body, resolve, reject })))
      if (!lane.writing) void write(lane)
      return Promise.all(places)
    },
    async fill(decoded) {
      const shown = await Promise.all(
        decoded.map(async ({ event, body }) => {
          if (body === undefined) return undefined
          return (await purged?.(event)) === true ? undefined : body
        }),
      )
      const blobs = await readBlobs({ physical, cache }, wantedBlobs(shown))
      return decoded.map(({ event }, nth) => {
        const attachment = bodyAt(shown[nth], blobs)
        return attachment === undefined ? event : { ...event, attachment }
      })
    },
  }
}

/** What goes together: never less than one body, which may be more than an append takes. */
function take(waiting: Waiting[], most: number): Waiting[] {
  let weight = 0
  let count = 0
  for (const { body } of waiting) {
    weight += body.byteLength
    if (count > 0 && weight > most) break
    count++
  }
  return waiting.splice(0, count)
}

const blobEvent = (data: Uint8Array<ArrayBuffer>): BinaryEventData => ({
  id: randomUUID(),
  contentType: 'application/octet-stream',
  type: 'RawBodies',
  data,
  metadata: undefined,
})

function bodyAt(place: BodyPlace | undefined, blobs: ReadonlyMap<string, Uint8Array>): Uint8Array | undefined {
  if (place === undefined) return undefined
  const [shard, ...pieces] = place
  const parts: Uint8Array[] = []
  for (const [revision, offset, length] of pieces) {
    const blob = blobs.get(`${shard}/${revision}`)
    if (blob === undefined) return undefined
    parts.push(blob.subarray(offset, offset + length))
  }
  return parts.length === 1 ? parts[0] : Buffer.concat(parts)
}
