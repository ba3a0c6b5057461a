import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { collect, someEvents, someStream } from '../../../../tests/support/events.ts'
import { createSparseEventStore } from '../../../../tests/support/sparse-store.ts'
import { indexedLog } from '../../../composition/indexed-log.ts'
import type { LogEngine } from '../../../composition/log-engine.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import { positionOf, start } from '../../../domain/kernel/position.ts'
import { streamRef } from '../../../domain/kernel/stream.ts'
import { createPool } from '../../../postgres/pool.ts'

/** An engine that knows neither tenants nor moments nor numbers, and has gaps between its positions. */
describe('a log that is kept elsewhere and indexed in the database', () => {
  const [acme, bolt] = [randomUUID(), randomUUID()]
  const [ours, theirs] = [someStream(acme), someStream(bolt)]
  let now = Date.parse('2026-01-01T00:00:00Z')
  const log = pino({ level: 'silent' })
  let db: TestDatabase
  let worker: Pool
  let api: Pool
  let engine: EventStore
  let indexed: LogEngine

  const open = (): Promise<LogEngine> =>
    indexedLog({
      engine: 'of the test',
      open: () => ({ ...engine, close: async () => undefined }),
      workerPool: worker,
      apiPool: api,
      log,
    })

  beforeAll(async () => {
    db = await freshDatabase()
    worker = createPool({ url: db.url, role: 'recado_worker', max: 6, name: 'worker' })
    api = createPool({ url: db.url, role: 'recado_api', max: 4, name: 'api' })
    engine = createSparseEventStore({ clock: () => new Date(now) })
    indexed = await open()
    for (let n = 0; n < 3; n++) {
      await indexed.store.append({ stream: ours, expected: 'any', events: someEvents(2, { attachment: Buffer.from('ours') }) })
      await indexed.store.append({ stream: theirs, expected: 'any', events: someEvents(2, { attachment: Buffer.from('theirs') }) })
    }
  })
  afterAll(async () => {
    await indexed.close()
    await engine.close()
    await Promise.all([worker.end(), api.end()])
    await db.drop()
  })

  const whole = async (): Promise<readonly RecordedEvent[]> => (await engine.readAll({ after: start, limit: 100_000 })).events

  it('shows a tenant what the whole log has of it, with the bodies, in the same order and as far', async () => {
    const { logOf, store } = indexed
    for (const tenantId of [acme, bolt]) {
      for (const limit of [1, 4, 100]) {
        const read = { after: start, limit, attachments: true }
        expect((await logOf(tenantId).readAll(read)).events).toEqual((await store.readAll({ ...read, filter: { tenantId } })).events)
      }
    }
    expect(await collect(logOf(acme).readStream(ours, { attachments: true }))).toEqual(await collect(store.readStream(ours, { attachments: true })))
    // The last two events are the other one's: it was looked at them and over them.
    const { through } = await logOf(acme).readAll({ after: start, limit: 100 })
    expect(through).toBe((await store.head()).position)
    expect(await logOf(acme).readAll({ after: through, limit: 100 })).toEqual({ events: [], through })
  })

  it('shows it nothing of another one, whatever stream, place or filter is asked for', async () => {
    const { logOf, eventsAt, store } = indexed
    expect(await collect(store.readStream(theirs))).toHaveLength(6)
    expect(await collect(logOf(acme).readStream(theirs, { attachments: true }))).toEqual([])
    expect((await logOf(acme).readAll({ after: start, limit: 100, attachments: true, filter: { tenantId: bolt } })).events).toEqual([])
    const { events } = await logOf(acme).readAll({ after: start, limit: 100, attachments: true, filter: { types: ['MessageReceived'] } })
    expect(new Set(events.map(({ stream }) => stream.tenantId))).toEqual(new Set([acme]))
    const places = [ours, theirs, ours].map((stream, nth) => ({ stream, version: nth + 1 }))
    expect((await eventsAt(acme, places)).map((event) => event?.version)).toEqual([1, undefined, 3])
    expect((await eventsAt(acme, [{ stream: ours, version: 99 }]))[0]).toBeUndefined()
  })

  it('never asks the engine for a stream of another tenant', async () => {
    const asked: string[] = []
    const watched = await indexedLog({
      engine: 'watched',
      open: () => ({
        ...engine,
        readStream(stream, options) {
          asked.push(stream.tenantId)
          return engine.readStream(stream, options)
        },
        close: async () => undefined,
      }),
      workerPool: worker,
      apiPool: api,
      log,
    })
    await collect(watched.logOf(acme).readStream(theirs))
    await watched.eventsAt(acme, [{ stream: theirs, version: 1 }])
    await watched.logOf(acme).readAll({ after: start, limit: 100, filter: { tenantId: bolt } })
    expect(asked).toEqual([])
    await watched.logOf(acme).readAll({ after: start, limit: 100 })
    expect(new Set(asked)).toEqual(new Set([acme]))
    await watched.close()
  })

  it('finds a tenant’s last event at or before any moment or position', async () => {
    const { store, logOf, index } = indexed
    const streams = [someStream(acme), someStream(bolt)]
    for (let n = 0; n < 40; n++) {
      await store.append({ stream: streams[n % 7 === 0 ? 0 : 1] ?? ours, expected: 'any', events: someEvents(1 + (n % 3)) })
      now += n % 5 === 0 ? 0 : 10
    }
    const events = await whole()
    for (const tenantId of [acme, bolt, randomUUID()]) {
      const own = events.filter(({ stream }) => stream.tenantId === tenantId)
      for (const { recordedAt, position } of events) {
        for (const moment of [-1, 0, 1].map((ms) => new Date(recordedAt.getTime() + ms))) {
          expect(await logOf(tenantId).positionAt(moment)).toBe(own.findLast((one) => one.recordedAt <= moment)?.position ?? start)
        }
        expect(await logOf(tenantId).positionAt(position)).toBe(own.findLast((one) => one.position <= position)?.position ?? start)
        // Between two events there is nothing: the one before counts.
        const between = positionOf(BigInt(position) + 1n)
        expect(await logOf(tenantId).positionAt(between)).toBe(own.findLast((one) => one.position <= between)?.position ?? start)
        expect(await index.eventsOf(tenantId, position)).toBe(own.filter((one) => one.position <= position).length)
      }
      expect(await logOf(tenantId).positionAt(positionOf('99999999999999999999'))).toBe(own.at(-1)?.position ?? start)
    }
  })

  it('finds the last event before a moment whoever’s it is, and counts events where the engine has only places', async () => {
    const { store, index } = indexed
    const events = await whole()
    for (const [nth, { recordedAt, position }] of events.entries()) {
      const before = events.findLast((one) => one.recordedAt < recordedAt)
      expect(await index.lastBefore(recordedAt)).toBe(before?.position ?? start)
      expect(await index.eventsOf(undefined, position)).toBe(nth + 1)
      expect((await store.distance(start, position)).events).toBe(nth + 1)
    }
    expect(await index.eventsOf(acme, events.at(-1)?.position ?? start, 3)).toBe(3)
  })

  it('scans all of it, a tenant’s part, and a stretch between two places, each event once and in order', async () => {
    const rare = randomUUID()
    await indexed.store.append({ stream: someStream(rare), expected: 0, events: someEvents(3) })
    for (let n = 0; n < 30; n++) await indexed.store.append({ stream: someStream(bolt), expected: 0, events: someEvents(100) })
    await indexed.store.append({ stream: someStream(rare), expected: 0, events: someEvents(2) })
    const events = await whole()
    const through = (await indexed.store.head()).position
    const middle = events[Math.floor(events.length / 2)]?.position ?? start
    for (const tenantId of [undefined, acme, bolt, rare, randomUUID()]) {
      for (const [after, upto] of [
        [start, through],
        [start, middle],
        [middle, through],
        [positionOf(BigInt(middle) - 1n), middle],
      ] as const) {
        const scanned: RecordedEvent[] = []
        let last = after
        for await (const page of indexed.scan({ after, through: upto, tenantId })) {
          scanned.push(...page.events)
          expect(page.through >= last).toBe(true)
          last = page.through
        }
        expect(last).toBe(upto)
        const wanted = events.filter(
          ({ position, stream }) => position > after && position <= upto && (tenantId === undefined || stream.tenantId === tenantId),
        )
        expect(scanned.map(({ id }) => id)).toEqual(wanted.map(({ id }) => id))
      }
    }
    const types = ['MessageReceived']
    const some: string[] = []
    for await (const page of indexed.scan({ after: start, through, types, tenantId: bolt })) some.push(...page.events.map(({ id }) => id))
    expect(some).toEqual(events.filter(({ type, stream }) => types.includes(type) && stream.tenantId === bolt).map(({ id }) => id))
  })

  it('has read what was acknowledged before the question, though the index follows a moment later', async () => {
    for (let n = 0; n < 20; n++) {
      const stream = someStream(acme)
      await engine.append({ stream, expected: 0, events: someEvents(1) })
      const { position } = await engine.head()
      expect(await indexed.logOf(acme).positionAt(new Date(now))).toBe(position)
      expect((await indexed.logOf(acme).readAll({ after: positionOf(BigInt(position) - 1n), limit: 10 })).events).toMatchObject([{ stream }])
    }
  })

  it('numbers every event once, whoever does it and however often they take it from each other', async () => {
    for (let round = 0; round < 4; round++) {
      const others = await Promise.all([open(), open()])
      await Promise.all(
        Array.from({ length: 10 }, async () => indexed.store.append({ stream: someStream(bolt), expected: 0, events: someEvents(5) })),
      )
      await indexed.close()
      indexed = others[0]
      await indexed.index.eventsOf(undefined, (await engine.head()).position)
      await others[1].close()
    }
    const { rows } = await worker.query<{ event_id: string; nth: string; version: number; position: string }>(
      'select event_id, nth, version, position from es.places order by position',
    )
    const events = await whole()
    expect(rows.map(({ event_id }) => event_id)).toEqual(events.map(({ id }) => id))
    expect(rows.map(({ nth }) => Number(nth))).toEqual(events.map((_, nth) => nth + 1))
    expect(rows.map(({ version }) => version)).toEqual(events.map(({ version }) => version))
    expect(rows.map(({ position }) => positionOf(position))).toEqual(events.map(({ position }) => position))
  })

  it('hands out no body that its tenant does not keep any longer, and every other one', async () => {
    const tenantId = randomUUID()
    const stream = (nth: number) => streamRef('delivery', tenantId, `d${nth}`)
    const positions: string[] = []
    for (let nth = 0; nth < 4; nth++) {
      const event = { ...someEvents(1)[0], type: 'WebhookReceived', attachment: Buffer.from(`body ${nth}`) } as ReturnType<typeof someEvents>[number]
      const result = await indexed.store.append({ stream: stream(nth), expected: 0, events: [event] })
      if (result.outcome !== 'appended') throw new Error('appended was expected')
      positions.push(result.position)
      now += 86_400_000
    }
    await indexed.index.eventsOf(undefined, (await engine.head()).position)
    const bodies = async (): Promise<readonly (string | undefined)[]> =>
      Promise.all(
        [0, 1, 2, 3].map(async (nth) => {
          const [event] = await collect(indexed.logOf(tenantId).readStream(stream(nth), { attachments: true }))
          return event?.attachment === undefined ? undefined : Buffer.from(event.attachment).toString()
        }),
      )
    const before = new Date(now - 1.5 * 86_400_000)
    const signal = new AbortController().signal
    // The intake has come as far as the second one: a body that is still needed stays, however old.
    const processed = positionOf(positions[1] ?? '0')
    await worker.query('insert into work.postponed_deliveries (tenant_id, delivery_id, position) values ($1, $2, $3)', [
      tenantId,
      'd1',
      BigInt(processed).toString(),
    ])
    expect(await indexed.rawBodies.purge([{ tenantId, before }], processed, signal)).toEqual({ bodies: 1, months: [] })
    expect(await bodies()).toEqual([undefined, 'body 1', 'body 2', 'body 3'])
    await worker.query('delete from work.postponed_deliveries where tenant_id = $1', [tenantId])
    const head = (await engine.head()).position
    expect(await indexed.rawBodies.purge([{ tenantId, before }], head, signal)).toMatchObject({ bodies: 2 })
    expect(await indexed.rawBodies.purge([{ tenantId, before }], head, signal)).toMatchObject({ bodies: 0 })
    expect(await bodies()).toEqual([undefined, undefined, undefined, 'body 3'])
    const paged = await indexed.store.readAll({ after: start, limit: 100_000, filter: { tenantId }, attachments: true })
    expect(paged.events.filter(({ attachment }) => attachment !== undefined)).toHaveLength(1)
  })

  it('is behind a wall that no statement on the same connections gets over', async () => {
    expect((await api.query('select count(*)::int as n from es.places')).rows).toEqual([{ n: 0 }])
    expect((await api.query(`select es.place_at('infinity') as at, es.place_through(1000000) as through`)).rows).toEqual([{ at: '0', through: '0' }])
  })
})
