import { randomUUID } from 'node:crypto'
import type { Kafka } from 'kafkajs'
import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { EventSource, SourceDelivery, SourceSubscription } from '../../domain/kernel/event-source.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { justBefore, type Position } from '../../domain/kernel/position.ts'
import { pause } from '../../postgres/pause.ts'
import { createBell } from './bell.ts'
import { answered, ended } from './deadline.ts'
import { decodeRecord, headOf } from './decode-record.ts'
import { createMerge, type Found, type Merged } from './merge.ts'
import { consumeTopic, RecordsLost } from './topic-consumer.ts'
import type { Watermark } from './watermark.ts'
import { createWatermarks } from './watermarks.ts'

export type KafkaFeedOptions = {
  readonly kafka: Kafka
  /** The topic with every event. */
  readonly topic: string
  /** In front of the names of the followers: their consumer groups. */
  readonly groupPrefix: string
  readonly pool: Pool
  readonly listenUrl: string
  /** For what is far behind, for what the topic has lost, and for events that are too large for it. */
  readonly log: Pick<EventStore, 'readAll'>
  readonly logger: Logger
  /** With more records than this before it, a follower reads the log instead, which hands out only what it asks for (50,000). */
  readonly farBehind?: number
  /** Records of one partition that wait for others, at most, before no more of it are fetched (4,000). */
  readonly mostWaiting?: number
  /** A consumer that brings nothing for so long of what is known to be published is given up (30 s). */
  readonly stalledMs?: number
}

export type KafkaFeed = EventSource & { readonly close: () => Promise<void> }

/** Where a follower is. Without offsets it has to find its place: the log is read up to a watermark, the topic from there on. */
type Place = { position: Position; offsets: readonly number[] | undefined }

const defaultPageSize = 1_000
const sayAfterMs = 15_000
const againMs = 100

/**
 * The log, as Kafka carries it on. Every follower is a consumer group of its own and gives its place along with each page; nothing is committed to Kafka.
 * A follower is LOOKING (no offsets, or far behind) → READING THE LOG up to a watermark → FED by the topic; back to the start when the topic has lost
 * records; again from its place after the broker was away, for as long as that takes.
 * Invariant: the pages of one subscription are those of the log: in order of positions, nothing twice, nothing left out (see `createMerge`).
 */
export function createKafkaFeed(options: KafkaFeedOptions): KafkaFeed {
  const { kafka, topic, groupPrefix, log, logger, farBehind = 50_000, mostWaiting = 4_000, stalledMs = 30_000 } = options
  const watermarks = createWatermarks(options)
  const closing = new AbortController()
  const leaving = new Set<Promise<void>>()

  async function* subscribe(subscription: SourceSubscription): AsyncGenerator<SourceDelivery> {
    const signal = AbortSignal.any([subscription.signal, closing.signal])
    const place: Place = { position: subscription.after, offsets: offsetsIn(topic, subscription.place) }
    let troubles = 0
    while (!signal.aborted) {
      try {
        for await (const delivery of from(place, { ...subscription, signal })) {
          place.position = delivery.through
          place.offsets = offsetsIn(topic, delivery.place)
          if (delivery.kind === 'caught-up') troubles = 0
          yield delivery
        }
      } catch (error) {
        if (error instanceof RecordsLost) place.offsets = undefined
        logger[troubles++ === 0 ? 'warn' : 'debug']({ err: error, follower: subscription.name }, 'not fed by Kafka for now, trying again')
        await pause(Math.min(5_000, 200 * 2 ** Math.min(troubles, 5)) * (0.5 + Math.random()), signal)
      }
    }
  }

  async function* from(place: Place, subscription: SourceSubscription): AsyncGenerator<SourceDelivery> {
    const { signal } = subscription
    let { position, offsets } = place
    const group = `${groupPrefix}${subscription.name}`
    let found = offsets === undefined ? undefined : await look(offsets, group)
    while (found?.withinReach !== true) {
      const seam = await present(signal)
      if (seam === undefined) return
      for await (const delivery of readLog(position, seam, subscription)) {
        position = delivery.through
        yield delivery
      }
      if (signal.aborted) return
      offsets = seam.ends
      found = await look(offsets, group)
      // What was committed a moment ago may not be shown as the end of the topic yet.
      if (!found.withinReach) await pause(againMs, signal)
    }
    yield* follow(position, offsets ?? [], found.group, subscription)
  }

  async function present(signal: AbortSignal): Promise<Watermark | undefined> {
    return new Promise((resolve) => {
      let leave = (): void => undefined
      const done = (watermark?: Watermark): void => {
        resolve(watermark)
        clearTimeout(waiting)
        signal.removeEventListener('abort', aborted)
        queueMicrotask(() => leave())
      }
      const aborted = (): void => done()
      if (signal.aborted) return resolve(undefined)
      const waiting = setTimeout(() => logger.warn({ topic }, 'nothing is known to be published yet: read models wait for it'), sayAfterMs)
      signal.addEventListener('abort', aborted, { once: true })
      leave = watermarks.follow(done)
    })
  }

  /**
   * Whether the topic has all that follows these offsets, and not too much of it; and the group to read it with.
   * Whoever follows has the lease: a member that is still in the group was killed or cut off, and the broker would let a second one wait for it, for
   * seconds. Nobody waits for the dead: then it is a group beside it, which the broker forgets when it is empty, for nothing is committed in it.
   */
  async function look(offsets: readonly number[], group: string): Promise<{ withinReach: boolean; group: string }> {
    const admin = kafka.admin()
    try {
      await answered(admin.connect(), 'connect')
      let behind = 0
      let complete = true
      for (const { partition, low, high } of await answered(admin.fetchTopicOffsets(topic), 'ends')) {
        const offset = offsets[partition] ?? 0
        complete &&= offset >= Number(low) && offset <= Number(high)
        behind += Number(high) - offset
      }
      const withinReach = complete && behind <= farBehind
      const { groups } = withinReach ? await answered(admin.describeGroups([group]), 'group') : { groups: [] }
      const isTaken = groups.some(({ members }) => members.length > 0)
      return { withinReach, group: isTaken ? `${group}~${randomUUID().slice(0, 8)}` : group }
    } finally {
      await ended(admin)
    }
  }

  async function* readLog(after: Position, seam: Watermark, { filter, pageSize = defaultPageSize, signal }: SourceSubscription) {
    for (let position = after; position < seam.through && !signal.aborted;) {
      const { events, through } = await log.readAll({ after: position, ...(filter === undefined ? {} : { filter }), limit: pageSize })
      if (through <= position) throw new Error(`the log ends at ${position}, before what was published of it (${seam.through})`)
      position = through
      yield { kind: 'page' as const, events, through, place: position < seam.through ? undefined : placeIn(topic, seam.ends) }
    }
  }

  async function* follow(
    after: Position,
    offsets: readonly number[],
    group: string,
    subscription: SourceSubscription,
  ): AsyncGenerator<SourceDelivery> {
    const { filter, pageSize = defaultPageSize, signal } = subscription
    const merge = createMerge({ after, offsets })
    const types = filter?.types === undefined ? undefined : new Set(filter.types)
    const bell = createBell(signal)
    let failure: { readonly error: unknown } | undefined
    let ends: readonly number[] = []
    const forget = watermarks.follow((watermark) => {
      merge.published(watermark)
      ends = watermark.ends
      bell.ring()
    })
    // kafkajs ends in more ways than it tells: a fetch loop can stop without an error, and the word of a crash waits for a disconnect that may never end.
    let seen = ''
    let since = performance.now()
    const watching = setInterval(() => {
      const places = ends.map((_, partition) => merge.next(partition))
      const owes = places.some((next, partition) => next < (ends[partition] ?? 0) && merge.waiting(partition) < mostWaiting)
      if (!owes || seen !== String(places)) {
        seen = String(places)
        since = performance.now()
      } else if (performance.now() - since > stalledMs) {
        failure ??= { error: new Error(`nothing came of what is published in ${topic} for ${Math.round(stalledMs / 1_000)} s`) }
        bell.ring()
      }
    }, stalledMs / 6)
    const consumer = consumeTopic({
      kafka,
      topic,
      group,
      next: merge.next,
      isFull: (partition) => merge.waiting(partition) >= mostWaiting,
      take(partition, records, next) {
        const found: Found[] = []
        let last: Position | undefined
        for (const record of records) {
          const head = headOf(record)
          if (head === undefined) {
            logger.warn({ topic, partition, offset: record.offset }, 'a record that is none of ours was left out')
            continue
          }
          last = head.position
          if (types?.has(head.type) === false) continue
          const event = decodeRecord(record)
          if (filter?.tenantId !== undefined && event !== undefined && event.stream.tenantId !== filter.tenantId) continue
          found.push({ offset: Number(record.offset), position: head.position, event })
        }
        merge.fetched(partition, found, next, last)
        bell.ring()
      },
      onFailure(error) {
        failure = { error }
        bell.ring()
      },
    })
    try {
      for (let announced: Position | undefined; !signal.aborted;) {
        if (failure !== undefined) throw failure.error
        const heard = bell.next()
        const merged = merge.take(pageSize)
        if (merged !== undefined) {
          consumer.resume()
          const { through, offsets: behind, found } = merged
          const place = placeIn(topic, behind)
          const atTheTip = merge.atTheTip()
          if (found.length > 0 || !atTheTip) yield { kind: 'page', events: await eventsOf(merged, subscription), through, place }
          if (!atTheTip || announced === through) continue
          announced = through
          yield { kind: 'caught-up', through, place }
          continue
        }
        await heard
      }
    } finally {
      forget()
      clearInterval(watching)
      bell.silence()
      const left = consumer.stop().finally(() => leaving.delete(left))
      leaving.add(left)
    }
  }

  /** Where a record only keeps its place, the event is in the log. */
  async function eventsOf({ found }: Merged, { filter }: SourceSubscription): Promise<RecordedEvent[]> {
    const events: RecordedEvent[] = []
    for (const { position, event } of found) {
      if (event !== undefined) {
        events.push(event)
        continue
      }
      const page = await log.readAll({ after: justBefore(position), limit: 1, ...(filter === undefined ? {} : { filter }) })
      events.push(...page.events.filter((one) => one.position === position))
    }
    return events
  }

  return {
    subscribe,
    async close() {
      closing.abort()
      await Promise.all(leaving)
    },
  }
}

/** Offsets mean nothing in another topic. */
const placeIn = (topic: string, offsets: readonly number[]): string => `${topic} ${offsets.join(',')}`

/** Offsets by partition; undefined when the place is not one in this topic. */
function offsetsIn(topic: string, place: string | undefined): readonly number[] | undefined {
  const [name, offsets] = place?.split(' ') ?? []
  return name === topic && offsets !== undefined && /^\d+(,\d+)*$/.test(offsets) ? offsets.split(',').map(Number) : undefined
}
