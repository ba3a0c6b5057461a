import { randomUUID } from 'node:crypto'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { collect, followUntil, someEvents, someStream } from '../../../../tests/support/events.ts'
import { startDouble, type Double, type DoubleOptions } from '../../../../tests/support/eventstoredb-double/double.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import { justBefore, start, type Position } from '../../../domain/kernel/position.ts'
import { createEventStoreDbEventStore, type EventStoreDb } from './event-store.ts'
import type { Drop } from './follow.ts'

let double: Double
let store: EventStoreDb
let raw: EventStoreDBClient
let drops: Drop['why'][]
async function open(options: DoubleOptions = {}): Promise<void> {
  double = await startDouble(options)
  drops = []
  store = createEventStoreDbEventStore({ url: double.url, onDrop: ({ why }) => drops.push(why) })
  raw = EventStoreDBClient.connectionString(double.url)
}
beforeEach(() => open())
afterEach(async () => {
  await store.close()
  await raw.dispose()
  await double.stop()
})
const write = async (count: number): Promise<void> => {
  for (let left = count; left > 0; left -= 100) await store.append({ stream: someStream(), expected: 0, events: someEvents(Math.min(100, left)) })
}
const everything = async (): Promise<readonly RecordedEvent[]> => (await store.readAll({ after: start, limit: 1_000_000 })).events
const idsOf = (events: readonly RecordedEvent[]): string[] => events.map(({ id }) => id)

/** A live subscription, and what it has seen. */
async function live(): Promise<{ seen: RecordedEvent[]; stop: () => Promise<void> }> {
  const seen: RecordedEvent[] = []
  const stop = new AbortController()
  const caughtUp = Promise.withResolvers<undefined>()
  const ended = (async (): Promise<void> => {
    for await (const delivery of store.subscribe({ after: start, signal: stop.signal })) {
      if (delivery.kind === 'page') seen.push(...delivery.events)
      else caughtUp.resolve(undefined)
    }
  })()
  await caughtUp.promise
  return {
    seen,
    async stop() {
      stop.abort()
      await ended
    },
  }
}

describe('a subscription to EventStoreDB', () => {
  it('survives being given up by the server in a burst, without a gap, a repeat or a word, and is counted', async () => {
    const { seen, stop } = await live()
    for (let nth = 0; nth < 4; nth++)
      await store.append({ stream: someStream(), expected: 0, events: someEvents(400, { data: { text: 'x'.repeat(1_000) } }) })
    await vi.waitFor(() => expect(seen).toHaveLength(1_600))
    expect(idsOf(seen)).toEqual(idsOf(await everything()))
    expect(drops).toContain('overflow')
    await stop()
  })

  it.each([
    ['a kill of the server', () => double.restart({ how: 'kill', downMs: 300 })],
    ['a shutdown of the server', () => double.restart({ how: 'leave', graceMs: 200, downMs: 300 })],
    ['a reset of its connection', () => Promise.resolve(double.resetConnections())],
    ['an overflow', () => Promise.resolve(double.overflowSubscriptions())],
  ])('goes on after %s', async (_, trouble) => {
    await write(120)
    const { seen, stop } = await live()
    for (let nth = 0; nth < 3; nth++) {
      await trouble()
      await vi.waitFor(() => write(10), { timeout: 60_000 })
    }
    await vi.waitFor(async () => expect(idsOf(seen)).toEqual(idsOf(await everything())), { timeout: 60_000 })
    expect(new Set(idsOf(seen)).size).toBe(seen.length)
    await stop()
  })

  it.each(['ok', 'no-status', 'reset', 'too-slow'] as const)('that ends with "%s" in the middle goes on where it was', async (how) => {
    await write(300)
    double.misbehave({ kind: 'end', after: 70, how, on: ['subscribe'], times: 3 })
    const { seen, stop } = await live()
    await write(50)
    await vi.waitFor(() => expect(seen).toHaveLength(350), { timeout: 60_000 })
    expect(idsOf(seen)).toEqual(idsOf(await everything()))
    expect(drops.length).toBeGreaterThanOrEqual(1)
    await stop()
  })

  it('that falls silent is noticed by what is appended, and taken up again', async () => {
    const { seen, stop } = await live()
    double.misbehave({ kind: 'end', after: 5, how: 'silence', on: ['subscribe'], times: 1 })
    double.resetConnections()
    // The tail itself is to meet the silence, not whatever else reads the log.
    await vi.waitFor(() => expect([drops.length, double.subscriptions()]).toEqual([1, 1]))
    await vi.waitFor(() => write(100), { timeout: 60_000 })
    await vi.waitFor(() => expect(seen.length).toBeGreaterThanOrEqual(100), { timeout: 60_000 })
    expect(idsOf(seen)).toEqual(idsOf(await everything()))
    expect(drops).toContain('silent')
    await stop()
  })

  it('accepts a server that falls back to catching up by itself', async () => {
    await store.close()
    await double.stop()
    await open({ fallsBehind: true, version: '24.10.4' })
    const { seen, stop } = await live()
    for (let nth = 0; nth < 3; nth++)
      await store.append({ stream: someStream(), expected: 0, events: someEvents(400, { data: { text: 'x'.repeat(1_000) } }) })
    await vi.waitFor(() => expect(seen).toHaveLength(1_200), { timeout: 60_000 })
    expect(idsOf(seen)).toEqual(idsOf(await everything()))
    await stop()
  })

  it('sees nothing of what others keep in the same database', async () => {
    await write(2)
    await raw.appendToStream('somebody-else', jsonEvent({ type: 'Foreign', data: { any: 1 } }))
    await raw.appendToStream('contact-no-tenant', jsonEvent({ type: 'ContactNamed', data: {} }))
    await raw.appendToStream(`contact-${randomUUID()}_1`, jsonEvent({ type: 'ContactNamed', data: { like: 'ours' } }))
    await raw.setStreamMetadata('somebody-else', { maxCount: 3 })
    const closed = someStream()
    await store.append({ stream: closed, expected: 0, events: someEvents() })
    await store.closeStreams([closed])
    const { events, deliveries } = await followUntil(store, { after: start }, (_, { kind }) => kind === 'caught-up')
    expect(events).toHaveLength(3)
    expect(await everything()).toHaveLength(3)
    // What stands behind our last event is none of ours: who waits for the head must come to it.
    expect((await store.head()).position).toBe(events.at(-1)?.position)
    expect(deliveries.at(-1)?.through).toBe(events.at(-1)?.position)
  })

  it('never lets the time of the log go back when the server sets its clock back', async () => {
    await store.close()
    await double.stop()
    let now = Date.now()
    await open({ now: () => new Date(now) as never })
    const { seen, stop } = await live()
    for (const step of [1_000, -5_000, 2_000, -60_000]) {
      await write(1)
      now += step
    }
    await vi.waitFor(() => expect(seen).toHaveLength(4))
    for (const events of [seen, await everything()]) {
      const times = events.map(({ recordedAt }) => recordedAt.getTime())
      expect(times).toEqual(times.toSorted((a, b) => a - b))
    }
    await stop()
  })
})

describe('a place in the log of EventStoreDB', () => {
  it('may be anything: what follows it is read from there', async () => {
    await write(3)
    await store.append({ stream: someStream(randomUUID(), 'delivery'), expected: 0, events: someEvents(2) })
    await write(3)
    const all = await everything()
    expect(all).toHaveLength(8)
    const last = BigInt(all.at(-1)?.position ?? 0)
    const between = Array.from({ length: 60 }, (_, nth) => String((last * BigInt(nth)) / 60n + 7n).padStart(20, '0') as Position)
    for (const after of [start, ...between, ...all.flatMap(({ position }) => [position, justBefore(position)])]) {
      const expected = idsOf(all.filter(({ position }) => position > after))
      const fresh = createEventStoreDbEventStore({ url: double.url })
      expect(idsOf((await fresh.readAll({ after, limit: 100 })).events)).toEqual(expected)
      const { events } = await followUntil(fresh, { after }, (_, { kind }) => kind === 'caught-up')
      expect(idsOf(events)).toEqual(expected)
      await fresh.close()
    }
  })

  it('that a filtered read came to is exact: going on from it loses nothing and repeats nothing', async () => {
    const rare = randomUUID()
    const mine: string[] = []
    for (let nth = 0; nth < 60; nth++) {
      await store.append({ stream: someStream(), expected: 0, events: someEvents(80) })
      await raw.appendToStream('somebody-else', [jsonEvent({ type: 'Foreign', data: {} }), jsonEvent({ type: 'Foreign', data: {} })])
      if (nth % 7 === 3) {
        const events = someEvents(2)
        mine.push(...events.map(({ id }) => id))
        await store.append({ stream: someStream(rare), expected: 0, events })
      }
    }
    const fresh = createEventStoreDbEventStore({ url: double.url })
    const pages: { seen: string[]; through: Position }[] = []
    const seen: string[] = []
    for await (const delivery of fresh.subscribe({ after: start, filter: { tenantId: rare }, pageSize: 3, signal: new AbortController().signal })) {
      if (delivery.kind === 'page') seen.push(...idsOf(delivery.events))
      pages.push({ seen: [...seen], through: delivery.through })
      if (delivery.kind === 'caught-up') break
    }
    expect(seen).toEqual(mine)
    for (const { seen, through } of pages) {
      const other = createEventStoreDbEventStore({ url: double.url })
      const rest = await followUntil(other, { after: through, filter: { tenantId: rare } }, (_, { kind }) => kind === 'caught-up')
      expect([...seen, ...idsOf(rest.events)]).toEqual(mine)
      await other.close()
    }
    await fresh.close()
  })

  it('is kept by a slow reader who is cut off again and again', async () => {
    await write(4_000)
    const all = idsOf(await everything())
    const seen: string[] = []
    let after: Position = start
    while (seen.length < all.length) {
      const fresh = createEventStoreDbEventStore({ url: double.url })
      let pages = 0
      for await (const delivery of fresh.subscribe({ after, pageSize: 37, signal: new AbortController().signal })) {
        await new Promise(setImmediate)
        if (delivery.kind === 'page') seen.push(...idsOf(delivery.events))
        after = delivery.through
        if (++pages === 23 || delivery.kind === 'caught-up') break
      }
      await fresh.close()
    }
    expect(seen).toEqual(all)
  })
})

it('an import keeps order, ids, versions and times, and may come again', async () => {
  const times = [0, 0, 5_000, 7_000].map((ms) => new Date(1_600_000_000_000 + ms))
  const [stream, delivery] = [someStream(), someStream(randomUUID(), 'delivery')]
  const events = [
    { stream, version: 1, at: 0 },
    { stream, version: 2, at: 1 },
    { stream: delivery, version: 1, at: 2 },
    { stream, version: 3, at: 3 },
    { stream: delivery, version: 2, at: 3 },
  ].map(({ stream, version, at }): RecordedEvent => ({
    ...(someEvents()[0] as RecordedEvent),
    stream,
    version,
    position: start,
    recordedAt: times[at] ?? new Date(0),
  }))
  await store.write(events.slice(0, 1))
  await store.write(events.slice(0, 4))
  await store.write(events)
  const told = (all: readonly RecordedEvent[]) => all.map(({ id, stream, version, recordedAt }) => ({ id, stream, version, recordedAt }))
  expect(told(await everything())).toEqual(told(events))
  expect(told(await collect(store.readStream(delivery)))).toEqual(told(events.filter(({ stream }) => stream === delivery)))
  await expect(store.write(events.map((event) => ({ ...event, id: randomUUID() })))).rejects.toMatchObject({ name: 'ImportRefused' })
})
