import { randomUUID } from 'node:crypto'
import type { BinaryEventData } from '@eventstore/db-client'
import type { Attached, AttachmentSeal } from '../../../domain/kernel/attachments.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import { StoreUnavailable, type Append } from '../../../domain/kernel/event-store.ts'
import { SealBroken } from '../../../domain/kernel/vault.ts'
import { createBlobCache } from './bodies-cache.ts'
import { appendsOf, cutBodies, placeOf } from './bodies-cut.ts'
import { readBlobs, wantedBlobs } from './bodies-read.ts'
import type { BodyPlace, Decoded } from './decoded.ts'
import { AppendTooLarge } from './failure.ts'
import { rawStream, shards } from './packs.ts'
import type { PhysicalLog } from './physical-log.ts'

const kibibyte = 1024
const mebibyte = 1024 * kibibyte

/** Whether retention has taken an event's body away, by the mark it left. Asked of each one whose body is wanted: cheap. */
export type Purged = (event: Pick<RecordedEvent, 'stream' | 'recordedAt' | 'position'>) => Promise<boolean>

/** What is attached to an event, before it is sealed. */
export type Body = Attached & { readonly tenantId: string }

export type BodiesOptions = {
  readonly physical: Pick<PhysicalLog, 'append' | 'readStream' | 'limits'>
  /** What comes together of one tenant is sealed together. `ensure` was awaited by whoever brings it. */
  readonly seal: Pick<AttachmentSeal, 'seal' | 'open'>
  readonly purged?: Purged | undefined
  /** What may wait to be stored (64 MiB), and how much of what was stored or read last is kept at hand (16 MiB). */
  readonly maxBytes?: number
  readonly cacheBytes?: number
}

export type Bodies = {
  /** Durable when it resolves. A body whose event is never appended is found by nobody, and ages with the others. @throws StoreUnavailable */
  readonly put: (bodies: readonly Body[]) => Promise<readonly BodyPlace[]>
  /** The events with their bodies; without, where it was purged, has aged or its key is destroyed. */
  readonly fill: (decoded: readonly Decoded[]) => Promise<readonly RecordedEvent[]>
}

/** What bodies weigh, before they are read: for pages that must not become too heavy. What several share is counted once. */
export function createWeigher(): (place: BodyPlace | undefined) => number {
  const weighed = new Set<string>()
  return (place) => {
    if (place === undefined) return 0
    const key = JSON.stringify(place)
    if (weighed.has(key)) return 0
    weighed.add(key)
    const [, ...pieces] = place
    return pieces.reduce((sum, [, , length]) => sum + length, 0)
  }
}

/** Of each of its events, what is attached to it. */
export const bodiesOfAppend = ({ stream: { tenantId }, events }: Pick<Append, 'stream' | 'events'>): (Body | undefined)[] =>
  events.map(({ id, attachment }) => (attachment === undefined ? undefined : { tenantId, eventId: id.toLowerCase(), bytes: attachment }))

type Waiting = {
  readonly body: Body
  readonly resolve: (place: BodyPlace) => void
  readonly reject: (error: unknown) => void
}

/** What is sealed together at most, and what stands in one blob: reading one body should not bring a mebibyte. */
const sealedTogether = 128 * kibibyte
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
export function createBodies({ physical, seal, purged, maxBytes = 64 * mebibyte, cacheBytes = 16 * mebibyte }: BodiesOptions): Bodies {
  const cache = createBlobCache(cacheBytes)
  const lanes = Array.from({ length: shards }, (_, shard) => ({ shard, waiting: [] as Waiting[], bytes: 0, writing: false }))
  let bytes = 0

  async function write(lane: (typeof lanes)[number]): Promise<void> {
    lane.writing = true
    while (lane.waiting.length > 0) {
      const most = Math.min(largestAppend, physical.limits.maxAppendBytes)
      const batch = take(lane.waiting, most)
      try {
        const groups = sealedGroups(batch)
        const sealed = groups.map((group) =>
          seal.seal(
            group[0]?.body.tenantId ?? '',
            group.map(({ body }) => body),
          ),
        )
        const places = await store(lane.shard, sealed, most)
        for (const [nth, group] of groups.entries()) for (const { resolve } of group) resolve(places[nth] ?? [lane.shard])
      } catch (error) {
        if (error instanceof AppendTooLarge && physical.limits.maxAppendBytes < most) {
          lane.waiting.unshift(...batch)
          continue
        }
        for (const { reject } of batch) reject(error)
      }
      for (const { body } of batch) {
        lane.bytes -= body.bytes.byteLength
        bytes -= body.bytes.byteLength
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
      const weight = wanted.reduce((sum, body) => sum + body.bytes.byteLength, 0)
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
      const opened = new Map<string, Promise<Opened>>()
      return Promise.all(
        decoded.map(async ({ event }, nth) => {
          const place = shown[nth]
          const sealed = bodyAt(place, blobs)
          if (sealed === undefined) return event
          const { tenantId } = event.stream
          const key = `${tenantId} ${JSON.stringify(place)}`
          const opening = opened.get(key) ?? open(tenantId, sealed)
          opened.set(key, opening)
          const found = await opening
          if ('unreadable' in found) return { ...event, unreadable: found.unreadable }
          const attachment = found.bodies.get(event.id)
          return attachment === undefined ? event : { ...event, attachment }
        }),
      )
    },
  }

  /** One body that somebody has changed must not hide its neighbours. */
  async function open(tenantId: string, sealed: Uint8Array): Promise<Opened> {
    try {
      const found = await seal.open(tenantId, sealed)
      return { bodies: found === 'erased' ? new Map() : found }
    } catch (error) {
      if (error instanceof SealBroken) return { unreadable: error.message }
      throw error
    }
  }
}

type Opened = { readonly bodies: ReadonlyMap<string, Uint8Array> } | { readonly unreadable: string }

/** One tenant's each, not too many bytes, and no event twice: inside, an event's bytes are found by its id. */
function sealedGroups(batch: readonly Waiting[]): Waiting[][] {
  const groups: Waiting[][] = []
  const open = new Map<string, { group: Waiting[]; ids: Set<string>; bytes: number }>()
  for (const one of batch) {
    const { tenantId, eventId, bytes } = one.body
    const current = open.get(tenantId)
    if (current !== undefined && current.bytes + bytes.byteLength <= sealedTogether && !current.ids.has(eventId)) {
      current.group.push(one)
      current.ids.add(eventId)
      current.bytes += bytes.byteLength
    } else {
      const group = [one]
      groups.push(group)
      open.set(tenantId, { group, ids: new Set([eventId]), bytes: bytes.byteLength })
    }
  }
  return groups
}

/** What goes together: never less than one body, which may be more than an append takes. */
function take(waiting: Waiting[], most: number): Waiting[] {
  let weight = 0
  let count = 0
  for (const { body } of waiting) {
    weight += body.bytes.byteLength
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
