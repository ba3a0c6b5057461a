import type { Clock } from '../../../domain/kernel/clock.ts'
import type { EventMeta, RecordedEvent } from '../../../domain/kernel/envelope.ts'
import {
  StoreUnavailable,
  type Append,
  type AppendResult,
  type Delivery,
  type EventStore,
  type LogPage,
  type LogRead,
  type LogSubscription,
} from '../../../domain/kernel/event-store.ts'
import { ImportRefused, type LogImport } from '../../../domain/kernel/log-import.ts'
import { positionOf, type Position } from '../../../domain/kernel/position.ts'
import { matches } from '../filter.ts'
import { prepare, streamIdOf, type Prepared } from '../prepared.ts'

/**
 * The log in memory, for tests and for trying things out: what PostgreSQL promises, without durability. One contract suite holds both to it.
 * Appends commit in a microtask of their own, so that callers of one turn queue up as they do in front of a database.
 */
export function createMemoryEventStore({ clock = () => new Date(), maxQueue = 5_000 }: { clock?: Clock; maxQueue?: number } = {}): EventStore &
  LogImport {
  const log: RecordedEvent[] = []
  const streams = new Map<string, RecordedEvent[]>()
  const closing = new AbortController()
  let queue: Prepared[] = []
  let waiting = new Set<() => void>()
  let committing = Promise.resolve()

  function commit(): void {
    const batch = queue
    queue = []
    for (const append of batch) append.resolve(decide(append))
    const woken = waiting
    waiting = new Set()
    for (const wake of woken) wake()
  }

  function decide({ append: { stream, expected, events }, key, data, metadata }: Prepared): AppendResult {
    const stored = streams.get(key) ?? []
    const good = expected === 'any' || (expected === 'exists' ? stored.length > 0 : expected === stored.length)
    if (!good) {
      const before = typeof expected === 'number' ? stored.slice(expected, expected + events.length) : []
      const last = before.at(-1)
      const repeated = before.length === events.length && before.every(({ id }, index) => id === events[index]?.id.toLowerCase())
      return repeated && last !== undefined
        ? { outcome: 'duplicate', version: last.version, position: last.position }
        : { outcome: 'conflict', version: stored.length }
    }
    const now = new Date(Math.max(clock().getTime(), log.at(-1)?.recordedAt.getTime() ?? 0))
    const recorded = events.map((event, index): RecordedEvent => ({
      ...event,
      id: event.id.toLowerCase(),
      // What is read is what was written out, as with any other store.
      data: JSON.parse(data[index] ?? '{}') as Record<string, unknown>,
      meta: JSON.parse(metadata[index] ?? '{}') as EventMeta,
      stream,
      version: stored.length + index + 1,
      position: positionOf(log.length + index + 1),
      recordedAt: now,
    }))
    stored.push(...recorded)
    streams.set(key, stored)
    log.push(...recorded)
    return { outcome: 'appended', version: stored.length, position: positionOf(log.length) }
  }

  function page({ after, filter = {}, limit, attachments = false }: LogRead): LogPage {
    const events: RecordedEvent[] = []
    let through = Number(after)
    for (; through < log.length && events.length < limit; through++) {
      const event = log[through]
      if (event !== undefined && matches(filter, event)) events.push(shown(event, attachments))
    }
    return { events, through: positionOf(through) }
  }

  function restore(event: RecordedEvent): void {
    const key = `${event.stream.tenantId}/${streamIdOf(event.stream)}`
    const stored = streams.get(key) ?? []
    const there = stored[event.version - 1]
    if (there?.id === event.id) return
    if (there !== undefined || event.version !== stored.length + 1) throw new ImportRefused(`version ${event.version} of ${key} does not fit here`)
    const recorded = { ...event, position: positionOf(log.length + 1) }
    stored.push(recorded)
    streams.set(key, stored)
    log.push(recorded)
  }

  const changed = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done)
        waiting.delete(done)
        resolve()
      }
      signal.addEventListener('abort', done)
      waiting.add(done)
    })

  async function* subscribe({ after, signal: given, pageSize = 1_000, ...rest }: LogSubscription): AsyncGenerator<Delivery> {
    if (Number(after) > log.length) throw new RangeError(`position ${Number(after)} is ahead of the log, which ends at ${log.length}`)
    const signal = AbortSignal.any([given, closing.signal])
    let position = after
    let announced: string | undefined
    while (!signal.aborted) {
      const next = page({ ...rest, after: position, limit: pageSize })
      position = next.through
      if (next.events.length > 0) yield { kind: 'page', ...next }
      else if (announced !== position) yield { kind: 'caught-up', through: (announced = position) }
      else await changed(signal)
    }
  }

  return {
    append: (append: Append) =>
      new Promise((resolve, reject) => {
        if (closing.signal.aborted) throw new StoreUnavailable('closed', 'the event store is closed')
        if (queue.length >= maxQueue) throw new StoreUnavailable('queue_full', 'more appends are waiting than the store takes on', 1)
        queue.push(prepare(append, resolve, reject))
        if (queue.length === 1) committing = Promise.resolve().then(commit)
      }),
    async *readStream(stream, { after = 0, upTo = Number.POSITIVE_INFINITY, asOf, attachments = false } = {}): AsyncGenerator<RecordedEvent> {
      await committing
      for (const event of (streams.get(`${stream.tenantId}/${streamIdOf(stream)}`) ?? []).slice()) {
        if (event.version > after && event.version <= upTo && isKnown(event, asOf)) yield shown(event, attachments)
      }
    },
    readAll: (read) => Promise.resolve(page(read)),
    async write(events) {
      await committing
      for (const event of events) restore(event)
    },
    subscribe,
    head: () => Promise.resolve({ position: positionOf(log.length), recordedAt: log.at(-1)?.recordedAt }),
    distance: (from, to) =>
      Promise.resolve({
        events: Math.max(0, Number(to) - Number(from)),
        ratio: Number(to) === 0 ? 1 : Math.min(1, Number(from) / Number(to)),
      }),
    close() {
      closing.abort()
      return committing
    },
  }
}

function shown(event: RecordedEvent, attachments: boolean): RecordedEvent {
  if (attachments || event.attachment === undefined) return event
  const { attachment: _, ...rest } = event
  return rest
}

const isKnown = ({ recordedAt, position }: RecordedEvent, asOf: Date | Position | undefined): boolean =>
  asOf === undefined || (asOf instanceof Date ? recordedAt <= asOf : position <= asOf)
