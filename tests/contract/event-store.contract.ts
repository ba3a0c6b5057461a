import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Clock } from '../../src/domain/kernel/clock.ts'
import type { RecordedEvent } from '../../src/domain/kernel/envelope.ts'
import type { AppendResult, Delivery, EventStore } from '../../src/domain/kernel/event-store.ts'
import { positionOf, start, type Position } from '../../src/domain/kernel/position.ts'
import { streamRef, type Category, type StreamRef } from '../../src/domain/kernel/stream.ts'
import { collect, followUntil, someEvents, someStream as streamOf } from '../support/events.ts'

export type MakeStore = (options?: { clock?: Clock; maxQueue?: number }) => EventStore

/** What every event store promises. `open` gives another store on the same log where the engine has one, and a fresh log where it lives in memory. */
export function eventStoreContract(
  engine: string,
  open: () => Promise<{ make: MakeStore; end: () => Promise<void> }>,
  /** Whose streams are written: an engine may keep deliveries in another way than the rest. */
  { category = 'conversation' }: { category?: Category } = {},
): void {
  const someStream = (tenantId?: string): StreamRef => streamOf(tenantId, category)
  describe(`the event store ${engine}`, () => {
    let make: MakeStore
    let end: () => Promise<void>
    let store: EventStore
    beforeAll(async () => {
      ;({ make, end } = await open())
      store = make()
    })
    afterAll(async () => {
      await store.close()
      await end()
    })
    const appended = (result: AppendResult) => {
      if (result.outcome !== 'appended') throw new Error(`appended was expected, not ${result.outcome}`)
      return result
    }
    const tip = async (): Promise<Position> => (await store.head()).position

    describe('appending', () => {
      it('numbers the events of a stream from 1 and says where they stand', async () => {
        const stream = someStream()
        const events = someEvents(3, { data: { text: 'ñ 😀 \u0000 "quoted"', nested: { list: [1, null, true] } } })
        const { version, position } = appended(await store.append({ stream, expected: 0, events }))
        expect(version).toBe(3)
        const stored = await collect(store.readStream(stream))
        expect(position).toBe(stored.at(-1)?.position)
        expect(stored.map((event) => event.version)).toEqual([1, 2, 3])
        expect(stored).toMatchObject(events.map((event) => ({ ...event, stream })))
      })

      it('reads many streams at once, short ones and long ones, from wherever each is asked for', async () => {
        const streams = await Promise.all(
          [0, 1, 31, 32, 33, 64, 65, 700].flatMap((length) =>
            Array.from({ length: 12 }, async () => {
              const stream = someStream()
              if (length > 0) await store.append({ stream, expected: 0, events: someEvents(length) })
              return { stream, length }
            }),
          ),
        )
        await Promise.all(
          streams.flatMap(({ stream, length }) =>
            [0, 1, 32].map(async (after) => {
              const versions = (await collect(store.readStream(stream, { after }))).map(({ version }) => version)
              expect(versions).toEqual(Array.from({ length: Math.max(0, length - after) }, (_, nth) => after + nth + 1))
            }),
          ),
        )
      })

      it('stores every one of many parallel appends that expect nothing', async () => {
        const stream = someStream()
        const results = await Promise.all(Array.from({ length: 300 }, () => store.append({ stream, expected: 'any', events: someEvents() })))
        expect(results.map((result) => result.version).sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, index) => index + 1))
        const stored = await collect(store.readStream(stream))
        expect(stored.map((event) => event.version)).toEqual(Array.from({ length: 300 }, (_, index) => index + 1))
        expect(new Set(stored.map((event) => event.id)).size).toBe(300)
      })

      it('lets exactly one of many parallel appends with the same expected version win', async () => {
        const stream = someStream()
        const results = await Promise.all(Array.from({ length: 50 }, () => store.append({ stream, expected: 0, events: someEvents(2) })))
        expect(results.filter(({ outcome }) => outcome === 'appended')).toHaveLength(1)
        expect(results.filter(({ outcome }) => outcome === 'conflict')).toHaveLength(49)
        expect(await collect(store.readStream(stream))).toHaveLength(2)
      })

      it('keeps the order of the calls within a stream', async () => {
        const stream = someStream()
        const results = await Promise.all(
          Array.from({ length: 20 }, (_, version) => store.append({ stream, expected: version, events: someEvents(1, { data: { nth: version } }) })),
        )
        expect(results.every(({ outcome }) => outcome === 'appended')).toBe(true)
        expect((await collect(store.readStream(stream))).map(({ data }) => data['nth'])).toEqual(Array.from({ length: 20 }, (_, index) => index))
      })

      it.each([
        ['0 on a stream that exists', 2, 0, 'conflict'],
        ['less than the version', 2, 1, 'conflict'],
        ['more than the version', 2, 3, 'conflict'],
        ['a version of a stream that does not exist', 0, 1, 'conflict'],
        ['that it exists, and it does not', 0, 'exists', 'conflict'],
        ['that it exists, and it does', 2, 'exists', 'appended'],
        ['nothing, and it does not exist', 0, 'any', 'appended'],
        ['nothing, and it exists', 2, 'any', 'appended'],
        ['the exact version', 2, 2, 'appended'],
      ] as const)('decides an append that expects %s', async (_, already, expected, outcome) => {
        const stream = someStream()
        if (already > 0) await store.append({ stream, expected: 0, events: someEvents(already) })
        const result = await store.append({ stream, expected, events: someEvents() })
        expect(result).toMatchObject({ outcome, version: outcome === 'appended' ? already + 1 : already })
        expect(await collect(store.readStream(stream))).toHaveLength(outcome === 'appended' ? already + 1 : already)
      })

      it('answers a repeat as a duplicate, with the result of the first time, also after later events', async () => {
        const stream = someStream()
        await store.append({ stream, expected: 0, events: someEvents() })
        const append = { stream, expected: 1, events: someEvents(2) }
        const first = appended(await store.append(append))
        const again = { outcome: 'duplicate', version: 3, position: first.position }
        expect(await store.append(append)).toEqual(again)
        await store.append({ stream, expected: 3, events: someEvents(4) })
        expect(await store.append(append)).toEqual(again)
        expect(await collect(store.readStream(stream))).toHaveLength(7)
      })

      it('takes other ids, fewer stored events or another order for a conflict, not for a repeat', async () => {
        const stream = someStream()
        const [a, b, c] = someEvents(3)
        if (a === undefined || b === undefined || c === undefined) throw new Error('three events were made')
        await store.append({ stream, expected: 0, events: [a, b] })
        for (const events of [[b, a], [a, c], [c], [a, b, c]]) {
          expect(await store.append({ stream, expected: 0, events })).toEqual({ outcome: 'conflict', version: 2 })
        }
        expect(await store.append({ stream, expected: 1, events: [a] })).toEqual({ outcome: 'conflict', version: 2 })
        expect(await store.append({ stream, expected: 0, events: [a] })).toMatchObject({ outcome: 'duplicate', version: 1 })
      })

      it('decides neighbours in one commit each by itself', async () => {
        const [taken, free, repeated] = [someStream(), someStream(), someStream()]
        await store.append({ stream: taken, expected: 0, events: someEvents() })
        const before = { stream: repeated, expected: 0, events: someEvents(2, { attachment: Buffer.from('repeated') }) }
        await store.append(before)
        const bytes = Buffer.from('of the free one')
        const results = await Promise.all([
          store.append({ stream: taken, expected: 0, events: someEvents(3, { attachment: Buffer.from('lost') }) }),
          store.append(before),
          store.append({ stream: free, expected: 0, events: someEvents(2, { attachment: bytes }) }),
        ])
        expect(results.map(({ outcome }) => outcome)).toEqual(['conflict', 'duplicate', 'appended'])
        const stored = await collect(store.readStream(free, { attachments: true }))
        expect(stored.map((event) => Buffer.from(event.attachment ?? []).toString())).toEqual(['of the free one', 'of the free one'])
        expect(appended(results[2])).toMatchObject({ version: 2, position: stored.at(-1)?.position })
      })

      it('fails a malformed append alone', async () => {
        const good = store.append({ stream: someStream(), expected: 0, events: someEvents() })
        const malformed = [
          { stream: someStream(), expected: 0, events: [] },
          { stream: someStream('no uuid'), expected: 0, events: someEvents() },
          { stream: someStream(), expected: -3, events: someEvents() },
          { stream: someStream(), expected: 0, events: someEvents(1, { id: 'no uuid' }) },
          { stream: someStream(), expected: 0, events: someEvents(1, { type: 'nul \0' }) },
          { stream: streamRef('contact', randomUUID(), 'nul \0'), expected: 0, events: someEvents() },
        ].map((append) => store.append(append))
        for (const result of await Promise.allSettled(malformed)) expect(result.status).toBe('rejected')
        expect((await good).outcome).toBe('appended')
      })

      it('keeps streams of the same id in two tenants apart', async () => {
        const [one, two] = [randomUUID(), randomUUID()]
        const id = randomUUID()
        await store.append({ stream: streamRef('contact', one, id), expected: 0, events: someEvents(2) })
        const result = await store.append({ stream: streamRef('contact', two, id), expected: 0, events: someEvents(1) })
        expect(result.outcome).toBe('appended')
        expect(await collect(store.readStream(streamRef('contact', one, id)))).toHaveLength(2)
        expect(await collect(store.readStream(streamRef('contact', two, id)))).toHaveLength(1)
        expect(await collect(store.readStream(streamRef('channel', one, id)))).toHaveLength(0)
      })

      it('sends callers away when too many wait, and takes on more afterwards', async () => {
        const small = make({ maxQueue: 10 })
        const results = await Promise.allSettled(
          Array.from({ length: 50 }, () => small.append({ stream: someStream(), expected: 0, events: someEvents() })),
        )
        const refused = results.filter((result) => result.status === 'rejected')
        expect(refused).toHaveLength(40)
        for (const { reason } of refused) expect(reason).toMatchObject({ name: 'StoreUnavailable', reason: 'queue_full' })
        expect(await small.append({ stream: someStream(), expected: 0, events: someEvents() })).toMatchObject({ outcome: 'appended' })
        await small.close()
      })

      it('commits what it has accepted before it closes, and refuses what comes after', async () => {
        const closing = make()
        const accepted = Array.from({ length: 20 }, () => closing.append({ stream: someStream(), expected: 0, events: someEvents() }))
        const closed = closing.close()
        await expect(closing.append({ stream: someStream(), expected: 0, events: someEvents() })).rejects.toMatchObject({ reason: 'closed' })
        for (const result of await Promise.all(accepted)) expect(result.outcome).toBe('appended')
        await closed
      })
    })

    describe('reading', () => {
      it('reads a stream from a version, up to a version and as it was at a moment or position', async () => {
        // The log of an engine that outlives this suite may already be ahead of the clock.
        let now = Math.max(Date.now(), (await store.head()).recordedAt?.getTime() ?? 0) + 10_000
        const clocked = make({ clock: () => new Date(now) })
        const stream = someStream()
        const moments: number[] = []
        for (let version = 0; version < 5; version++) {
          moments.push(now)
          await clocked.append({ stream, expected: version, events: someEvents() })
          now += 1_000
        }
        const versions = async (options: Parameters<EventStore['readStream']>[1]) =>
          (await collect(clocked.readStream(stream, options))).map((e) => e.version)
        expect(await versions({ after: 2 })).toEqual([3, 4, 5])
        expect(await versions({ upTo: 2 })).toEqual([1, 2])
        expect(await versions({ after: 1, upTo: 3 })).toEqual([2, 3])
        expect(await versions({ asOf: new Date((moments[2] ?? 0) + 1) })).toEqual([1, 2, 3])
        expect(await versions({ asOf: new Date(moments[2] ?? 0) })).toEqual([1, 2, 3])
        expect(await versions({ asOf: new Date((moments[2] ?? 0) - 1) })).toEqual([1, 2])
        const [, , third] = await collect(clocked.readStream(stream))
        expect(await versions({ asOf: third?.position ?? start })).toEqual([1, 2, 3])
        expect(await versions({ after: 1, asOf: third?.position ?? start })).toEqual([2, 3])
        expect(await versions({ asOf: start })).toEqual([])
        expect(await versions({ after: 5 })).toEqual([])
        await clocked.close()
      })

      it('reads a stream longer than a page', async () => {
        const stream = someStream()
        for (let at = 0; at < 1_200; at += 200) await store.append({ stream, expected: at, events: someEvents(200) })
        expect((await collect(store.readStream(stream))).map(({ version }) => version)).toEqual(
          Array.from({ length: 1_200 }, (_, index) => index + 1),
        )
      })

      it('never lets the time of the log go back, whatever the clock does', async () => {
        const times = [5_000, 1_000, 9_000, 2_000]
        const late = Math.max(Date.now(), (await store.head()).recordedAt?.getTime() ?? 0) + 10_000
        const clocked = make({ clock: () => new Date(late + (times.shift() ?? 0)) })
        const from = (await clocked.head()).position
        for (let nth = 0; nth < 4; nth++) await clocked.append({ stream: someStream(), expected: 0, events: someEvents() })
        const { events } = await clocked.readAll({ after: from, limit: 10 })
        const recorded = events.map(({ recordedAt }) => recordedAt.getTime())
        expect(recorded).toHaveLength(4)
        expect(recorded).toEqual(recorded.toSorted((a, b) => a - b))
        expect((await clocked.head()).recordedAt?.getTime()).toBe(recorded.at(-1))
        await clocked.close()
      })

      it('reads the log in pages and tells how far it looked when a filter leaves events out', async () => {
        const from = await tip()
        const tenant = randomUUID()
        for (let nth = 0; nth < 6; nth++) {
          await store.append({
            stream: someStream(nth % 2 === 0 ? tenant : randomUUID()),
            expected: 0,
            events: someEvents(1, { type: nth < 3 ? 'ContactNamed' : 'MessageReceived' }),
          })
        }
        const page = await store.readAll({ after: from, limit: 4 })
        expect(page.events).toHaveLength(4)
        expect(page.through).toBe(page.events.at(-1)?.position)
        const mine = await store.readAll({ after: from, limit: 100, filter: { tenantId: tenant } })
        expect(mine.events.map(({ stream }) => stream.tenantId)).toEqual([tenant, tenant, tenant])
        expect(mine.through).toBe(await tip())
        const named = await store.readAll({ after: from, limit: 100, filter: { types: ['ContactNamed'] } })
        expect(named.events).toHaveLength(3)
        expect(named.through).toBe(await tip())
        const both = await store.readAll({ after: from, limit: 1, filter: { types: ['ContactNamed'], tenantId: tenant } })
        expect(both.events).toHaveLength(1)
        expect(both.through).toBe(both.events[0]?.position)
        expect(await store.readAll({ after: await tip(), limit: 10 })).toEqual({ events: [], through: await tip() })
        expect(await store.readAll({ after: await tip(), limit: 10, filter: { types: ['ContactNamed'] } })).toEqual({
          events: [],
          through: await tip(),
        })
      })

      it('hands out attachments to those who ask for them', async () => {
        const from = await tip()
        const attachment = new Uint8Array([0, 1, 2, 255])
        const [plain] = someEvents()
        const [heavy] = someEvents(1, { attachment })
        if (plain === undefined || heavy === undefined) throw new Error('two events were made')
        await store.append({
          stream: someStream(),
          expected: 0,
          events: [plain, heavy, plain].map((event, nth) => ({ ...event, id: randomUUID(), data: { nth } })),
        })
        const { events } = await store.readAll({ after: from, limit: 10, attachments: true })
        expect(events.map((event) => event.attachment && [...event.attachment])).toEqual([undefined, [0, 1, 2, 255], undefined])
        expect((await store.readAll({ after: from, limit: 10 })).events.every((event) => event.attachment === undefined)).toBe(true)
      })

      it('keeps the attachments of many callers and tenants apart, repeats and refused ones among them', async () => {
        const from = await tip()
        const tenants = [randomUUID(), randomUUID()]
        const appends = Array.from({ length: 60 }, (_, nth) => {
          const stream = streamRef('delivery', tenants[nth % 2] ?? '', `d${Math.floor(nth / 3)}`)
          // Every third one is another caller's for a stream that is there already.
          return { stream, expected: 0, events: someEvents(nth % 5 === 0 ? 2 : 1, { attachment: Buffer.from(`body ${nth}`), data: { nth } }) }
        })
        const outcomes = await Promise.all([...appends, ...appends.slice(0, 9)].map((append) => store.append(append)))
        const kept = appends.filter((_, nth) => outcomes[nth]?.outcome === 'appended')
        expect(kept.length).toBeLessThan(60)
        const told = (events: readonly RecordedEvent[]) =>
          events.map(({ data, attachment }) => [`body ${String(data['nth'])}`, Buffer.from(attachment ?? []).toString()])
        const { events } = await store.readAll({ after: from, limit: 1_000, attachments: true })
        expect(events).toHaveLength(kept.reduce((sum, append) => sum + append.events.length, 0))
        for (const [expected, attachment] of told(events)) expect(attachment).toBe(expected)
        for (const { stream } of kept)
          for (const [expected, attachment] of told(await collect(store.readStream(stream, { attachments: true })))) expect(attachment).toBe(expected)
      })

      it('measures distances for progress', async () => {
        await store.append({ stream: someStream(), expected: 0, events: someEvents(4) })
        const [head, { events }] = [await tip(), await store.readAll({ after: start, limit: 1_000_000 })]
        const far = await store.distance(start, head)
        expect(far.ratio).toBe(0)
        // An engine that does not count its events says so, instead of guessing.
        if (far.events !== undefined) expect(far.events).toBe(events.length)
        expect(await store.distance(head, head)).toEqual({ events: far.events === undefined ? undefined : 0, ratio: 1 })
      })
    })

    describe('subscribing', () => {
      it('delivers what was stored before and what comes after, in order, each once', async () => {
        const from = await tip()
        const write = async (): Promise<void> => {
          const stream = someStream()
          for (let version = 0; version < 60; version += 3) {
            await store.append({ stream, expected: version, events: someEvents(1) })
            await store.append({ stream, expected: 'any', events: someEvents(2) })
          }
        }
        const [{ events, deliveries }] = await Promise.all([
          followUntil(store, { after: from, pageSize: 7 }, (seen) => seen.length >= 8 * 60),
          ...Array.from({ length: 8 }, write),
        ])
        const { events: stored } = await store.readAll({ after: from, limit: 100_000 })
        expect(stored).toHaveLength(8 * 60)
        expect(events).toEqual(stored)
        for (const delivery of deliveries) if (delivery.kind === 'page') expect(delivery.events.length).toBeLessThanOrEqual(7)
      })

      it('serves several subscribers, from where each of them is', async () => {
        const from = await tip()
        await store.append({ stream: someStream(), expected: 0, events: someEvents(30) })
        const middle = (await store.readAll({ after: from, limit: 15 })).through
        const [all, some] = await Promise.all([
          followUntil(store, { after: from }, (seen) => seen.length === 40),
          followUntil(store, { after: middle }, (seen) => seen.length === 25),
          sleep(30).then(() => store.append({ stream: someStream(), expected: 0, events: someEvents(10) })),
        ])
        expect(some.events).toEqual(all.events.slice(15))
      })

      it('moves on over what a filter leaves out, and says when it has caught up', async () => {
        const from = await tip()
        const tenant = randomUUID()
        await store.append({ stream: someStream(tenant), expected: 0, events: someEvents(2, { type: 'ContactNamed' }) })
        await store.append({ stream: someStream(), expected: 0, events: someEvents(5, { type: 'ContactNamed' }) })
        await store.append({ stream: someStream(tenant), expected: 0, events: someEvents(5) })
        const { events, deliveries } = await followUntil(
          store,
          { after: from, filter: { tenantId: tenant, types: ['ContactNamed'] } },
          (_, delivery) => delivery.kind === 'caught-up',
        )
        expect(events).toHaveLength(2)
        expect(deliveries.at(-1)).toEqual({ kind: 'caught-up', through: await tip() })
      })

      it('tells how far it came when new events are none of the filter', async () => {
        const from = await tip()
        const stop = new AbortController()
        let appended: Promise<AppendResult> | undefined
        let last: Delivery | undefined
        for await (const delivery of store.subscribe({ after: from, filter: { types: ['ContactNamed'] }, signal: stop.signal })) {
          appended ??= store.append({ stream: someStream(), expected: 0, events: someEvents(3) })
          last = delivery
          // Where an append's events become visible one by one, there is an end after each of them.
          if (delivery.kind === 'caught-up' && delivery.through > from && delivery.through === (await tip())) stop.abort()
        }
        expect(await appended).toMatchObject({ outcome: 'appended', position: last?.through })
      })

      it('says that it has caught up once for every time it has', async () => {
        const from = await tip()
        const { deliveries } = await followUntil(store, { after: from }, (seen, delivery) => {
          if (delivery.kind === 'caught-up' && seen.length < 2) void store.append({ stream: someStream(), expected: 0, events: someEvents() })
          return delivery.kind === 'caught-up' && seen.length === 2
        })
        expect(deliveries.map(({ kind }) => kind)).toEqual(['caught-up', 'page', 'caught-up', 'page', 'caught-up'])
      })

      it('brings attachments, from before and from now', async () => {
        const from = await tip()
        const attach = (text: string) => store.append({ stream: someStream(), expected: 0, events: someEvents(1, { attachment: Buffer.from(text) }) })
        await attach('before')
        const { events } = await followUntil(store, { after: from, attachments: true }, (seen, delivery) => {
          if (delivery.kind === 'caught-up' && seen.length === 1) void attach('now')
          return seen.length === 2
        })
        expect(events.map((event) => Buffer.from(event.attachment ?? []).toString())).toEqual(['before', 'now'])
      })

      it('ends at once when it is aborted, waiting or not, and when the store closes', async () => {
        const other = make()
        const already = new AbortController()
        already.abort()
        expect(await collect(other.subscribe({ after: start, signal: already.signal }))).toEqual([])
        const follow = async (signal: AbortSignal): Promise<{ kinds: string[]; ended: Promise<void> }> => {
          const kinds: string[] = []
          const first = Promise.withResolvers<undefined>()
          const after = (await other.head()).position
          const ended = (async (): Promise<void> => {
            for await (const { kind } of other.subscribe({ after, signal })) {
              kinds.push(kind)
              first.resolve(undefined)
            }
          })()
          await first.promise
          return { kinds, ended }
        }
        const stop = new AbortController()
        const waiting = await follow(stop.signal)
        stop.abort()
        await waiting.ended
        expect(waiting.kinds).toEqual(['caught-up'])
        const open = await follow(new AbortController().signal)
        await other.close()
        await open.ended
        expect(open.kinds).toEqual(['caught-up'])
      })

      it('refuses to start ahead of the log', async () => {
        const ahead = store.subscribe({ after: positionOf(BigInt(await tip()) + 1n), signal: new AbortController().signal })
        await expect(collect(ahead)).rejects.toThrow('ahead of the log')
      })

      it('waits for a slow reader instead of piling up pages', async () => {
        const from = await tip()
        const stop = new AbortController()
        const subscription = store.subscribe({ after: from, signal: stop.signal, pageSize: 10 })[Symbol.asyncIterator]()
        await store.append({ stream: someStream(), expected: 0, events: someEvents(30) })
        const sizes: number[] = []
        for (let page = 0; page < 3; page++) {
          const { value } = (await subscription.next()) as { value: { kind: string; events: unknown[] } }
          if (value.kind === 'page') sizes.push(value.events.length)
          await store.append({ stream: someStream(), expected: 0, events: someEvents(10) })
        }
        stop.abort()
        await subscription.return?.()
        expect(sizes.every((size) => size === 10)).toBe(true)
      })
    })
  })
}
