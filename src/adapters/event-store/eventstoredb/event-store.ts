import { noAttachments, type AttachmentSeal } from '../../../domain/kernel/attachments.ts'
import type { Clock } from '../../../domain/kernel/clock.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { AppendResult, EventStore } from '../../../domain/kernel/event-store.ts'
import type { LogImport } from '../../../domain/kernel/log-import.ts'
import type { Position } from '../../../domain/kernel/position.ts'
import type { StreamRef } from '../../../domain/kernel/stream.ts'
import { prepare, type Prepared } from '../prepared.ts'
import { createAppends, createGate, type AppendInfo } from './appends.ts'
import { createBodies } from './bodies.ts'
import { checkServer, type CheckLog, type ServerFacts } from './check-server.ts'
import { createConnection } from './connection.ts'
import type { Decoded } from './decoded.ts'
import type { Drop } from './follow.ts'
import { createHead } from './head-of-log.ts'
import { createImport } from './import-log.ts'
import type { DeliveryPlaces } from './intake-shards-window.ts'
import { createIntakeShards } from './intake-shards.ts'
import { createKnowledge } from './knowledge.ts'
import { physicalName } from './mapping.ts'
import { rawStream, shards } from './packs.ts'
import { createPhysical } from './physical.ts'
import { createPlacesInLog } from './places-in-log.ts'
import { createStreamReads } from './read-stream.ts'
import { createKeys } from './sealing.ts'
import { createReaders } from './subscribe.ts'
import { createTail } from './tail.ts'

export type EventStoreDbOptions = {
  /** `esdb://…` or `esdb+discover://…`, with the user's name and password where the server asks for them; a path names a log among several (naming.ts). */
  readonly url: string
  /** Seals what is attached to events; without it attachments are refused. */
  readonly attachments?: AttachmentSeal
  /** Where deliveries began that this process does not have in mind; without an index it keeps all of them in mind. */
  readonly places?: DeliveryPlaces | undefined
  /** Whether retention has taken away what is attached to an event. */
  readonly purged?: ((event: Pick<RecordedEvent, 'stream' | 'recordedAt' | 'position'>) => Promise<boolean>) | undefined
  /** Appends that may wait before callers are sent away (5,000), and what they may weigh (64 MiB). */
  readonly maxQueue?: number
  readonly maxQueueBytes?: number
  /** How much of the tail is kept in memory while there are subscribers (12,000 events, 32 MiB). */
  readonly tail?: { readonly events: number; readonly weight: number }
  /** Deliveries that each of the four shards keeps in mind while the index keeps up (8,000). */
  readonly windowSize?: number
  /** Not before this is the time of the events, for tests; the server's own clock otherwise. */
  readonly clock?: Clock
  readonly onAppend?: (info: AppendInfo) => void
  /** A subscription ended and is taken up again where it was. Not an alarm: counted. */
  readonly onDrop?: (drop: Drop) => void
  /** The client did not come back to life and was replaced. */
  readonly onRecycle?: () => void
}

export type EventStoreDb = EventStore &
  LogImport & {
    /** Waits for the server, and learns what it takes. @throws Error that says what to set */
    readonly ready: (options: { log: CheckLog; signal?: AbortSignal }) => Promise<ServerFacts>
    /** Of a tenant that is closed for good: the streams are emptied by the next scavenge, and their names take nothing any more. What stands in shared streams ages, and is sealed. */
    readonly closeStreams: (streams: readonly StreamRef[]) => Promise<void>
    /** How old raw bodies may become before the server forgets them; undefined: any age. */
    readonly keepBodiesFor: (seconds: number | undefined) => Promise<void>
  }

const mebibyte = 1024 * 1024
const closedAtOnce = 8
const streamPage = 100
/** Bodies of 3 MiB each may come with them. */
const attachedPage = 10

/**
 * The log on EventStoreDB or KurrentDB. Deliveries share appends (`intake-shards.ts`), everything else is one append per call to a stream of its own
 * (`appends.ts`); one subscription serves all readers of the process (`tail.ts`). What the server really does, and why the client is used as it is: ADR 0032, 0033.
 */
export function createEventStoreDbEventStore({
  url,
  attachments: seal = noAttachments,
  places: index,
  purged,
  maxQueue = 5_000,
  maxQueueBytes = 64 * mebibyte,
  tail: tailLimits = { events: 12_000, weight: 32 * mebibyte },
  windowSize,
  clock,
  onAppend = () => undefined,
  onDrop = () => undefined,
  onRecycle,
}: EventStoreDbOptions): EventStoreDb {
  const closing = new AbortController()
  /** What was accepted is still written after `close` was called; then nothing is. */
  const ended = new AbortController()
  const connection = createConnection({ url, ...(onRecycle === undefined ? {} : { onRecycle }) })
  const physical = createPhysical({ connection, closing: ended.signal })
  const knowledge = createKnowledge()
  const readHead = createHead({ connection, physical, knowledge })
  const keys = createKeys(seal)
  const bodies = createBodies({ physical, seal, purged })
  const imported: { at: number | undefined } = { at: undefined }
  const floor = (): number | undefined =>
    imported.at === undefined ? Math.max(knowledge.recordedAt() ?? 0, clock?.().getTime() ?? 0) || undefined : -imported.at
  const appends = createAppends({ physical, knowledge, putBodies: bodies.put, floor, onAppend })
  const ownStreams = createStreamReads(physical)
  const intake = createIntakeShards({
    physical,
    putBodies: bodies.put,
    own: { append: (prepared, base) => appends.append(prepared, { base }), read: ownStreams },
    places: index,
    floor,
    ...(windowSize === undefined ? {} : { windowSize }),
    onStored(position, recordedAt, info) {
      knowledge.saw(position, recordedAt === undefined ? undefined : Math.abs(recordedAt))
      onAppend(info)
    },
  })
  const gate = createGate({ maxQueue, maxQueueBytes, closing: closing.signal })
  const tail = createTail({ connection, knowledge, readHead, limits: tailLimits, onDrop })

  const fill = async (found: readonly Decoded[], wanted: boolean): Promise<readonly RecordedEvent[]> => {
    const events = wanted ? await bodies.fill(found) : found.map(({ event }) => event)
    for (const { position, recordedAt } of events) knowledge.saw(position, recordedAt.getTime())
    return events
  }
  const readers = createReaders({ connection, tail, places: createPlacesInLog(physical), readHead, fill, closing: closing.signal, onDrop })

  const route = (prepared: Prepared): void => {
    if (prepared.append.stream.category === 'delivery') intake.append(prepared)
    else appends.append(prepared)
  }
  const append: EventStore['append'] = (wanted) =>
    new Promise<AppendResult>((resolve, reject) => {
      physical.refuseWhileDown()
      keys.ensured(gate.enter(prepare(wanted, resolve, reject)), route)
    })

  async function* readStream(
    stream: StreamRef,
    { after = 0, upTo = Number.POSITIVE_INFINITY, asOf, attachments = false }: NonNullable<Parameters<EventStore['readStream']>[1]> = {},
  ): AsyncGenerator<RecordedEvent> {
    const source = stream.category === 'delivery' ? intake.read(stream, { after, upTo }) : ownStreams(stream, { after, upTo }, 0)
    let page: Decoded[] = []
    for await (const decoded of source) {
      if (!isKnown(decoded.event, asOf)) break
      page.push(decoded)
      if (page.length < (attachments ? attachedPage : streamPage)) continue
      yield* await fill(page, attachments)
      page = []
    }
    yield* await fill(page, attachments)
  }

  let closed: Promise<void> | undefined
  async function close(): Promise<void> {
    closing.abort()
    await gate.empty()
    ended.abort()
    await connection.close()
  }

  return {
    append,
    readStream,
    readAll: readers.readAll,
    subscribe: readers.subscribe,
    head: readHead,
    distance: (from, to) => Promise.resolve({ events: undefined, ratio: BigInt(to) === 0n ? 1 : Math.min(1, Number(from) / Number(to)) }),
    write: createImport({ append, readStream, imported }),
    ready: async ({ log, signal }) => {
      const facts = await checkServer({ connection, physical, log, ...(signal === undefined ? {} : { signal }) })
      await readHead()
      return facts
    },
    async closeStreams(streams) {
      const left = [...streams]
      const close = async (): Promise<void> => {
        for (let next = left.pop(); next !== undefined; next = left.pop()) await physical.tombstone(physicalName(next))
      }
      await Promise.all(Array.from({ length: closedAtOnce }, close))
    },
    async keepBodiesFor(seconds) {
      for (let shard = 0; shard < shards; shard++) await physical.setMetadata(rawStream(shard), seconds === undefined ? {} : { maxAge: seconds })
    },
    close: () => (closed ??= close()),
  }
}

const isKnown = ({ recordedAt, position }: RecordedEvent, asOf: Date | Position | undefined): boolean =>
  asOf === undefined || (asOf instanceof Date ? recordedAt <= asOf : position <= asOf)
