import { randomUUID } from 'node:crypto'
import { EventStoreDBClient } from '@eventstore/db-client'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { collect, someEvents, someStream } from '../../../../tests/support/events.ts'
import { startDouble, type Double } from '../../../../tests/support/eventstoredb-double/double.ts'
import { refusals } from '../../../../tests/support/eventstoredb-double/refusals.ts'
import { streamRef, type StreamRef } from '../../../domain/kernel/stream.ts'
import { createEventStoreDbEventStore, type EventStoreDb } from './event-store.ts'
import { physicalName } from './mapping.ts'

let double: Double
let store: EventStoreDb
let raw: EventStoreDBClient
beforeAll(async () => {
  double = await startDouble()
  store = createEventStoreDbEventStore({ url: double.url })
  raw = EventStoreDBClient.connectionString(double.url)
})
afterEach(() => double.behave())
afterAll(async () => {
  await store.close()
  await raw.dispose()
  await double.stop()
})
const ids = async (stream: StreamRef): Promise<string[]> => (await collect(store.readStream(stream))).map(({ id }) => id)

describe('an append to EventStoreDB', () => {
  it.each([
    ['loses its answer', { kind: 'lose-answer' }],
    ['is never taken up', { kind: 'hang' }],
    ['breaks after it was stored', { kind: 'store-then', with: 'reset' }],
    ['breaks before it was stored', { kind: 'reset' }],
    ['is stored and answered with a time-out', { kind: 'store-then', with: refusals.commitTimeout }],
    ['meets a server that is not ready', { kind: 'refuse', with: refusals.notReady }],
  ] as const)('that %s is made again until it is answered, and stored once', async (_, fault) => {
    for (const expected of [0, 2, 'any', 'exists'] as const) {
      const stream = someStream()
      const before = expected === 0 ? [] : someEvents(2)
      if (before.length > 0) await store.append({ stream, expected: 0, events: before })
      double.misbehave({ ...fault, on: ['append'], times: 1, streams: (name) => name === physicalName(stream) })
      const events = someEvents(3)
      const result = await store.append({ stream, expected, events })
      expect(result).toMatchObject({ outcome: 'appended', version: before.length + 3 })
      expect(await ids(stream)).toEqual([...before, ...events].map(({ id }) => id))
    }
  })

  it('that was stored while others went on is still the first time, and its repeat a duplicate of it', async () => {
    const stream = someStream()
    double.misbehave({ kind: 'store-then', with: refusals.commitTimeout, on: ['append'], times: 1, streams: (name) => name === physicalName(stream) })
    const append = { stream, expected: 0, events: someEvents(2) }
    const [first] = await Promise.all([
      store.append(append),
      ...Array.from({ length: 20 }, () => store.append({ stream: someStream(), expected: 0, events: someEvents() })),
    ])
    expect(first).toMatchObject({ outcome: 'appended', version: 2 })
    expect(await store.append(append)).toEqual({ ...first, outcome: 'duplicate' })
  })

  it('whose repeat meets itself while it is still being written is answered in the end', async () => {
    const stream = someStream()
    const resume = double.pauseDisk()
    const events = someEvents(2)
    const answered = store.append({ stream, expected: 0, events })
    await vi.waitFor(() => expect(double.inFlight()).toBe(1))
    // Longer than its deadline: the second try is dropped by the server, which still has the first in hand.
    await new Promise((resolve) => setTimeout(resolve, 3_600))
    resume()
    expect(await answered).toMatchObject({ outcome: 'appended', version: 2 })
    expect(await ids(stream)).toEqual(events.map(({ id }) => id))
  })

  it('waits behind the one before it on the same stream, whatever the server does with appends under way', async () => {
    const stream = someStream()
    double.misbehave({ kind: 'slow', ms: 300, on: ['append'], times: 1, streams: (name) => name === physicalName(stream) })
    const events = someEvents(5)
    await Promise.all(events.map((event) => store.append({ stream, expected: 'any', events: [event] })))
    expect(await ids(stream)).toEqual(events.map(({ id }) => id))
  })

  it('is told what is too large and what to set, and hurts nobody else', async () => {
    const stream = someStream()
    await expect(store.append({ stream, expected: 0, events: someEvents(1, { data: { text: 'x'.repeat(1_100_000) } }) })).rejects.toThrow(
      'EVENTSTORE_MAX_APPEND_SIZE',
    )
    expect(await store.append({ stream, expected: 0, events: someEvents() })).toMatchObject({ outcome: 'appended' })
  })

  it('does not believe the success of a stream that was deleted softly, where nothing is written', async () => {
    const stream = someStream()
    const append = { stream, expected: 0, events: someEvents(2) }
    await store.append(append)
    await raw.deleteStream(physicalName(stream))
    await expect(store.append(append)).rejects.toMatchObject({ name: 'StreamClosed' })
  })

  it('is refused by the stream of a closed tenant, which then is empty for readers', async () => {
    const tenantId = randomUUID()
    const streams = [someStream(tenantId), streamRef('contact', tenantId, 'never written to')]
    await store.append({ stream: streams[0] ?? someStream(), expected: 0, events: someEvents(3) })
    await store.closeStreams(streams)
    await store.closeStreams(streams)
    for (const stream of streams) {
      expect(await collect(store.readStream(stream))).toEqual([])
      for (const expected of [0, 3, 'any', 'exists'] as const) {
        await expect(store.append({ stream, expected, events: someEvents() })).rejects.toMatchObject({ name: 'StreamClosed' })
      }
    }
  })

  it('is refused at once while the server is known to be away, and taken as soon as it is back', async () => {
    const away = createEventStoreDbEventStore({ url: double.url })
    await away.head()
    await double.kill()
    await expect(away.append({ stream: someStream(), expected: 0, events: someEvents() })).rejects.toMatchObject({ reason: 'connection' })
    const since = performance.now()
    await expect(away.append({ stream: someStream(), expected: 0, events: someEvents() })).rejects.toMatchObject({ reason: 'connection' })
    // No patience a second time: that is 8 s.
    expect(performance.now() - since).toBeLessThan(4_000)
    await double.start()
    const stream = someStream()
    await vi.waitFor(async () => expect(await away.append({ stream, expected: 0, events: someEvents() })).toMatchObject({ outcome: 'appended' }), {
      timeout: 30_000,
    })
    await away.close()
  })
})

it('a client whose connection does not come back to life is replaced, and what follows the log goes on with the new one', async () => {
  let recycled = 0
  const frozen = createEventStoreDbEventStore({ url: double.url, onRecycle: () => recycled++ })
  const stop = new AbortController()
  const seen: string[] = []
  const caughtUp = Promise.withResolvers<undefined>()
  const followed = (async (): Promise<void> => {
    for await (const delivery of frozen.subscribe({ after: (await frozen.head()).position, signal: stop.signal })) {
      if (delivery.kind === 'page') seen.push(...delivery.events.map(({ id }) => id))
      else caughtUp.resolve(undefined)
    }
  })()
  await caughtUp.promise
  const thaw = double.freeze()
  const stream = someStream()
  const events = someEvents(2)
  await expect(frozen.append({ stream, expected: 0, events })).rejects.toMatchObject({ reason: 'connection' })
  expect(recycled).toBeGreaterThanOrEqual(1)
  thaw()
  await vi.waitFor(() => frozen.append({ stream, expected: 0, events }), { timeout: 60_000 })
  await vi.waitFor(() => expect(seen).toEqual(events.map(({ id }) => id)), { timeout: 60_000 })
  stop.abort()
  await followed
  await frozen.close()
})

describe('a stream of EventStoreDB', () => {
  it('is empty when it is missing, emptied, or asked for nothing', async () => {
    const [missing, emptied] = [someStream(), someStream()]
    await store.append({ stream: emptied, expected: 0, events: someEvents(3) })
    await raw.setStreamMetadata(physicalName(emptied), { truncateBefore: 10 })
    expect(await collect(store.readStream(missing))).toEqual([])
    expect(await collect(store.readStream(emptied))).toEqual([])
    const stream = someStream()
    await store.append({ stream, expected: 0, events: someEvents(3) })
    expect(await collect(store.readStream(stream, { upTo: 0 }))).toEqual([])
    expect(await collect(store.readStream(stream, { after: 2, upTo: 2 }))).toEqual([])
    expect(await store.readAll({ after: '0'.repeat(20) as never, limit: 0 })).toMatchObject({ events: [] })
  })

  it('is read again when a read falls silent or breaks', async () => {
    const stream = someStream()
    const events = someEvents(3)
    await store.append({ stream, expected: 0, events })
    for (const fault of [
      { kind: 'hang' },
      { kind: 'reset' },
      { kind: 'end', after: 1, how: 'reset' },
      { kind: 'end', after: 2, how: 'no-status' },
    ] as const) {
      double.misbehave({ ...fault, on: ['read'], times: 1, streams: (name) => name === physicalName(stream) })
      expect(await ids(stream)).toEqual(events.map(({ id }) => id))
    }
  })
})
