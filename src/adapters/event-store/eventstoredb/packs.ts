import type { BinaryEventData, ResolvedEvent } from '@eventstore/db-client'
import type { EventMeta } from '../../../domain/kernel/envelope.ts'
import { positionOf, type Position } from '../../../domain/kernel/position.ts'
import type { Category, StreamRef } from '../../../domain/kernel/stream.ts'
import type { BodyPlace, Decoded } from './decoded.ts'

/**
 * A pack: one physical event that holds many logical ones, the first events of deliveries that came at about the same time. What the server takes and what a live
 * subscriber's buffer of 64 holds is counted in events, however much is in them; and every event's position is known from the one answer to the append, which
 * tells of several events only the last one's.
 *
 * So a position is the place of the physical event in the server's log and the number within it: commit × 1024 + nth, which fits a bigint for nine petabytes of log.
 */
export const packType = 'Pack'

/** How many events one pack may hold: the last number stands for "right before the next one" (`justBefore`). */
export const mostInPack = 1023

/** For ever: the shard of a delivery is where a repeat of it is looked for. */
export const shards = 4

export const intakeStream = (shard: number): string => `intake-${shard}`
export const rawStream = (shard: number): string => `raw-${shard}`

const bits = 10n

export const positionAt = (commit: bigint, nth = 0): Position => positionOf((commit << bits) + BigInt(nth))

/** The physical event that a position is of, or lies in. */
export const commitOf = (position: Position): bigint => BigInt(position) >> bits

/** The number within its pack; 0 for an event that stands alone. */
export const nthOf = (position: Position): number => Number(BigInt(position) & ((1n << bits) - 1n))

/** The shard of a delivery's stream, by the stream's name in the whole log (FNV-1a). */
export function shardOf(name: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193)
  // The low bits of such a hash are its worst.
  return ((hash >>> 16) ^ hash) & (shards - 1)
}

/** One logical event on its way into a pack. `data` and `meta` are JSON already. */
export type PackEntry = {
  /** `<category>-<tenant>_<id>`. */
  readonly stream: string
  readonly version: number
  readonly id: string
  readonly type: string
  readonly schemaVersion: number
  readonly data: string
  readonly meta: string
  readonly recordedAt?: number | undefined
  readonly body?: BodyPlace | undefined
}

/** As it is written: text, so that what is there as JSON is not parsed and written out again. */
export function entryText({ stream, version, id, type, schemaVersion, data, meta, recordedAt, body }: PackEntry): string {
  const at = recordedAt === undefined ? '' : `,"at":${recordedAt}`
  const place = body === undefined ? '' : `,"body":${JSON.stringify(body)}`
  const fixed = `"stream":${JSON.stringify(stream)},"version":${version},"id":"${id.toLowerCase()}","type":${JSON.stringify(type)},"schemaVersion":${schemaVersion}`
  return `{${fixed}${at}${place},"data":${data},"meta":${meta}}`
}

/**
 * `physicalId` is nobody's but this append's: the server tells repeats by the id, and two processes that got the same delivery, or two tenants that share one, must not be
 * taken for one writer that tries again.
 */
export function encodePack(entries: readonly string[], physicalId: string): BinaryEventData {
  // Not a Buffer, which the client's messages do not take; binary and not JSON, which it would send through base64.
  const bytes = new TextEncoder().encode(`[${entries.join(',')}]`)
  return { id: physicalId, contentType: 'application/octet-stream', type: packType, data: bytes, metadata: undefined }
}

type Entry = {
  readonly stream: string
  readonly version: number
  readonly id: string
  readonly type: string
  readonly schemaVersion: number
  readonly at?: number
  readonly body?: BodyPlace
  readonly data: Readonly<Record<string, unknown>>
  readonly meta: EventMeta
}

export const isPack = ({ event }: ResolvedEvent): boolean => event !== undefined && event.type === packType && event.streamId.startsWith('intake-')

/** The logical events of a pack, in order. */
export function unpack({ event, commitPosition }: ResolvedEvent): readonly Decoded[] {
  if (event === undefined) return []
  const commit = event.position?.commit ?? commitPosition
  if (commit === undefined) throw new Error('the server tells where an event stands from version 22.6 on')
  const entries = JSON.parse(new TextDecoder().decode(event.data as Uint8Array)) as readonly Entry[]
  return entries.map(({ stream, version, id, type, schemaVersion, at, body, data, meta }, nth): Decoded => ({
    event: {
      id,
      type,
      schemaVersion,
      data,
      meta,
      stream: streamOf(stream),
      version,
      position: positionAt(commit, nth),
      recordedAt: recordedAtOf(event.created, at),
    },
    ...(body === undefined ? undefined : { body }),
  }))
}

const uuidLength = 36

/** The reverse of `streamName`. */
function streamOf(name: string): StreamRef {
  const dash = name.indexOf('-')
  const tenantId = name.slice(dash + 1, dash + 1 + uuidLength)
  return { tenantId, category: name.slice(0, dash) as Category, id: name.slice(dash + 2 + uuidLength) }
}

/** When an event was recorded: by the server's clock, but not before `at`; negative: exactly then, for what was recorded elsewhere. */
export function recordedAtOf(created: Date, at: number | undefined): Date {
  if (at === undefined) return created
  return new Date(at < 0 ? -at : Math.max(created.getTime(), at))
}
