import type { AllStreamResolvedEvent, EventData, ResolvedEvent } from '@eventstore/db-client'
import type { EventMeta, RecordedEvent } from '../../../domain/kernel/envelope.ts'
import { categories, streamName, type Category, type StreamRef } from '../../../domain/kernel/stream.ts'
import type { Prepared } from '../prepared.ts'
import type { BodyPlace, Decoded } from './decoded.ts'
import { isPack, positionAt, recordedAtOf, unpack } from './packs.ts'

/**
 * What an event carries in its metadata beside the `EventMeta`, under the name `recado`. `base`: how many events of its stream stand elsewhere, before
 * this one's own stream begins;
 * `at`: the log's time is not before this; negative for an event that was recorded elsewhere, exactly then.
 */
type Marks = { v: number; at?: number; base?: number; body?: BodyPlace }

export type EncodeOptions = {
  /** Events of the logical stream that stand elsewhere, before the first of the physical one. */
  readonly base?: number
  readonly body?: BodyPlace | undefined
  /** See `Marks.at`. */
  readonly recordedAt?: number | undefined
}

const text = new TextEncoder()

/** Stream names are compared letter by letter on the server; a uuid in capitals is the same tenant. */
export const physicalName = (stream: StreamRef): string => streamName({ ...stream, tenantId: stream.tenantId.toLowerCase() })

export function encodeEvent(
  { append, data, metadata }: Pick<Prepared, 'append' | 'data' | 'metadata'>,
  index: number,
  options: EncodeOptions = {},
): EventData {
  const event = append.events[index]
  const meta = metadata[index]
  if (event === undefined || meta === undefined) throw new RangeError(`the append has no event ${index}`)
  const { base = 0, body, recordedAt } = options
  const marks: Marks = {
    v: event.schemaVersion,
    ...(recordedAt === undefined ? {} : { at: recordedAt }),
    ...(base === 0 ? {} : { base }),
    ...(body === undefined ? {} : { body }),
  }
  return {
    id: event.id.toLowerCase(),
    contentType: 'application/json',
    type: event.type,
    data: JSON.parse(data[index] ?? '{}') as Record<string, unknown>,
    // As bytes, which the client takes as they are: what was written out when the append was called is not written out again.
    metadata: text.encode(`${meta.slice(0, -1)}${meta === '{}' ? '' : ','}"recado":${JSON.stringify(marks)}}`),
  }
}

const names = new RegExp(`^(${categories.join('|')})-([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})_(.+)$`, 's')

/** The same few streams come again and again while a log is followed. */
const known = new Map<string, StreamRef>()
const mostKnown = 20_000

function refOf(name: string): StreamRef | undefined {
  const before = known.get(name)
  if (before !== undefined) return before
  const [, category, tenantId, id] = names.exec(name) ?? []
  if (category === undefined || tenantId === undefined || id === undefined) return undefined
  const ref: StreamRef = { tenantId, category: category as Category, id }
  if (known.size >= mostKnown) known.clear()
  known.set(name, ref)
  return ref
}

/** What a physical event holds of ours: one event, many in a pack, none in the server's own, in links, tombstones, and in what others keep in the same database. */
export function decode(resolved: ResolvedEvent | AllStreamResolvedEvent): readonly Decoded[] {
  if (isPack(resolved)) return unpack(resolved)
  const one = decodeOne(resolved)
  return one === undefined ? [] : [one]
}

function decodeOne({ event, commitPosition }: ResolvedEvent | AllStreamResolvedEvent): Decoded | undefined {
  const commit = event?.position?.commit ?? commitPosition
  if (event === undefined || commit === undefined || !event.isJson || event.type.startsWith('$')) return undefined
  const { recado: marks, ...meta } = (event.metadata ?? {}) as EventMeta & { recado?: Marks }
  if (typeof marks !== 'object') return undefined
  const stream = refOf(event.streamId)
  if (stream === undefined) return undefined
  const recorded: RecordedEvent = {
    id: event.id,
    type: event.type,
    schemaVersion: marks.v,
    data: event.data as Record<string, unknown>,
    meta,
    stream,
    version: Number(event.revision) + 1 + (marks.base ?? 0),
    position: positionAt(commit),
    recordedAt: recordedAtOf(event.created, marks.at),
  }
  return { event: recorded, body: marks.body }
}

/** The server's clock may be set back, or another node's be behind: along positions the log's time never goes back, whatever their clocks say. */
export function neverBack(since?: Date): (decoded: Decoded) => Decoded {
  let latest = since ?? new Date(0)
  return (decoded) => {
    if (decoded.event.recordedAt < latest) return { ...decoded, event: { ...decoded.event, recordedAt: latest } }
    latest = decoded.event.recordedAt
    return decoded
  }
}
