import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAttachmentSeal } from '../../adapters/keyring/attachment-seal.ts'
import { createMemoryEventStore } from '../../adapters/event-store/memory/event-store.ts'
import { openLogGate, type LogElsewhere } from '../../adapters/event-store/gated.ts'
import { createPostgresEventStore } from '../../adapters/event-store/postgres/event-store.ts'
import { createPostgresImport } from '../../adapters/event-store/postgres/import-log.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { StoreUnavailable, type EventStore } from '../../domain/kernel/event-store.ts'
import { ImportRefused, type LogImport } from '../../domain/kernel/log-import.ts'
import { positionOf, start } from '../../domain/kernel/position.ts'
import type { StreamRef } from '../../domain/kernel/stream.ts'
import { freezeLog, leaveEngine, logHome } from '../../postgres/log-home.ts'
import { createPool } from '../../postgres/pool.ts'
import { freshDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { collect, someEvents, someStream } from '../../../tests/support/events.ts'
import { glassVault } from '../../../tests/support/glass-vault.ts'
import { compareOn, compareStreams, createSample, endsAgree, LogsDiffer } from './compare.ts'
import { copyOn } from './copy.ts'
import { beginMove, openMove } from './moves.ts'
import { eventsOf } from './pages.ts'
import { named, untouched } from './positions.ts'
import { switchLog } from './switch.ts'

const attachments = createAttachmentSeal(glassVault)
const quiet = { info: () => undefined, warn: () => undefined }

/** An installation: a database and a log in it. */
async function installation() {
  const database = await freshDatabase()
  const pool = createPool({ url: database.url, role: 'recado_worker', max: 10, name: 'moving' })
  const ownerPool = createPool({ url: database.url, role: 'owner', max: 2, name: 'moving owner' })
  const store = createPostgresEventStore({ pool, listenUrl: database.url, attachments })
  return {
    database,
    pool,
    ownerPool,
    store,
    imports: createPostgresImport({ pool: ownerPool, attachments }),
    async end() {
      await store.close()
      await Promise.all([pool.end(), ownerPool.end()])
      await database.drop()
    },
  }
}
type Installation = Awaited<ReturnType<typeof installation>>

/** Streams of several tenants side by side, some events with bodies, one of them large. */
async function fill(store: EventStore, streams = 40): Promise<StreamRef[]> {
  const tenants = [randomUUID(), randomUUID(), randomUUID()]
  return Promise.all(
    Array.from({ length: streams }, async (_, nth) => {
      const stream = someStream(tenants[nth % 3], nth % 2 === 0 ? 'delivery' : 'conversation')
      const attachment = nth % 4 === 0 ? { attachment: randomBytes(nth === 0 ? 2_000_000 : 700) } : {}
      await store.append({
        stream,
        expected: 0,
        events: someEvents(1, { data: { nth, text: 'ñ 😀 \u0000', nested: { b: 1, a: [null] } }, ...attachment }),
      })
      await store.append({ stream, expected: 1, events: someEvents(1 + (nth % 3)) })
      return stream
    }),
  )
}

const withoutPosition = (event: RecordedEvent) => ({ ...event, position: undefined })
const all = async (store: EventStore) => (await collect(eventsOf(store, start))).map(withoutPosition)

describe('copying the log into another engine', () => {
  let here: Installation
  beforeAll(async () => {
    here = await installation()
    await fill(here.store)
  })
  afterAll(() => here.end())

  it('takes every event along as it is, in order, and only the positions are new', async () => {
    const there = createMemoryEventStore()
    const move = await copyOn({ ...here, source: here.store, move: await beginMove(here.pool, 'postgres', 'copied'), destination: there })
    const original = await all(here.store)
    expect(original.length).toBeGreaterThan(100)
    expect(original.filter(({ attachment }) => attachment !== undefined)).toHaveLength(10)
    expect(await all(there)).toEqual(original)
    const sample = createSample(20)
    const compared = await compareOn({ ...here, source: here.store, destination: there, move, sample })
    expect(compared.compared).toMatchObject({ events: original.length, streams: 40, bodies: 10 })
    await endsAgree({ source: here.store, destination: there, move: compared })
    expect(await compareStreams(sample.streams(), { source: here.store, destination: there, move: compared })).toBe(20)
  })

  it('comes back into an empty database as it was', async () => {
    const there = createMemoryEventStore()
    const away = await copyOn({ ...here, source: here.store, move: await beginMove(here.pool, 'postgres', 'away'), destination: there })
    const home = await installation()
    try {
      const back = await copyOn({ ...home, source: there, move: await beginMove(home.pool, 'away', 'postgres'), destination: home.imports })
      expect(back.copied.events).toBe(away.copied.events)
      expect(await collect(eventsOf(home.store, start))).toEqual(await collect(eventsOf(here.store, start)))
      // And it is a log like any other: it goes on.
      const stream = someStream()
      expect(await home.store.append({ stream, expected: 0, events: someEvents(2) })).toMatchObject({ outcome: 'appended', version: 2 })
    } finally {
      await home.end()
    }
  })

  it('goes on where it was killed, also when the last page was written and not marked', async () => {
    const there = createMemoryEventStore()
    const writes: number[] = []
    const dying: LogImport = {
      async write(events) {
        writes.push(events.length)
        await there.write(events.slice(0, 70))
        throw new Error('killed')
      },
    }
    const begun = await beginMove(here.pool, 'postgres', 'killed')
    await expect(copyOn({ ...here, source: here.store, move: begun, destination: dying })).rejects.toThrow('killed')
    expect(writes).toHaveLength(1)
    const again = await openMove(here.pool)
    expect(again).toMatchObject({ id: begun.id, copied: { events: 0 } })
    const done = await copyOn({ ...here, source: here.store, move: again ?? begun, destination: there })
    expect(await all(there)).toEqual(await all(here.store))
    expect((await openMove(here.pool))?.copied).toEqual(done.copied)
  })

  it('refuses a destination that holds something else', async () => {
    const there = createMemoryEventStore()
    const [first] = await collect(eventsOf(here.store, start))
    if (first === undefined) throw new Error('the log is not empty')
    await there.append({ stream: first.stream, expected: 0, events: someEvents() })
    const move = await beginMove(here.pool, 'postgres', 'foreign')
    await expect(copyOn({ ...here, source: here.store, move, destination: there })).rejects.toThrow(ImportRefused)
    const home = await installation()
    try {
      await home.imports.write([first])
      await expect(home.imports.write([{ ...first, id: randomUUID() }])).rejects.toThrow(ImportRefused)
      await expect(home.imports.write([{ ...first, stream: someStream(), version: 2 }])).rejects.toThrow(ImportRefused)
      await expect(home.imports.write([{ ...first, stream: someStream(), recordedAt: new Date(1) }])).rejects.toThrow(ImportRefused)
      await home.imports.write([first])
      expect(await collect(eventsOf(home.store, start))).toHaveLength(1)
    } finally {
      await home.end()
    }
  })

  it.each([
    ['data', (event: RecordedEvent) => ({ ...event, data: { ...event.data, nth: -1 } })],
    ['metadata', (event: RecordedEvent) => ({ ...event, meta: { ...event.meta, causationId: 'another' } })],
    ['time of recording', (event: RecordedEvent) => ({ ...event, recordedAt: new Date(event.recordedAt.getTime() + 1) })],
    [
      'body',
      (event: RecordedEvent) => ({ ...event, attachment: event.attachment?.map((byte, at) => (at === 5 ? byte ^ 1 : byte)) ?? new Uint8Array(1) }),
    ],
    ['id', (event: RecordedEvent) => ({ ...event, id: randomUUID() })],
  ])('sees another %s in one event among many', async (field, change) => {
    const there = createMemoryEventStore()
    const spoiling: LogImport = {
      write: async (events) =>
        there.write(events.map((event) => (event.attachment?.byteLength === 700 && event.version === 1 ? (change(event) as RecordedEvent) : event))),
    }
    const move = await copyOn({ ...here, source: here.store, move: await beginMove(here.pool, 'postgres', `spoilt ${field}`), destination: spoiling })
    const comparing = compareOn({ ...here, source: here.store, destination: there, move })
    await expect(comparing).rejects.toThrow(LogsDiffer)
    await expect(comparing).rejects.toThrow(new RegExp(`differ in ${field}`))
  })

  it('sees that two events of different streams changed places, and that one is missing', async () => {
    const original = await collect(eventsOf(here.store, start))
    const swapped = createMemoryEventStore()
    const [a, b, ...rest] = original
    await swapped.write([b, a, ...rest].filter((event) => event !== undefined))
    const move = { ...(await beginMove(here.pool, 'postgres', 'swapped')), copied: { through: positionOf(original.length), events: original.length } }
    await expect(compareOn({ ...here, source: here.store, destination: swapped, move })).rejects.toThrow(LogsDiffer)
    const short = createMemoryEventStore()
    await short.write(original.slice(0, -1))
    await expect(compareOn({ ...here, source: here.store, destination: short, move })).rejects.toThrow('is missing in the destination')
  })
})

describe('switching to the other engine', () => {
  it('loses nothing that was acknowledged and takes nothing afterwards, while two processes append without pause', async () => {
    const here = await installation()
    try {
      const there = createMemoryEventStore()
      await fill(here.store)
      const acknowledged: string[] = []
      const left: LogElsewhere[] = []
      const stop = new AbortController()
      const process = async () => {
        const gate = await openLogGate({ pool: here.pool, engine: 'postgres', log: quiet, everyMs: 50, onLeaving: (why) => void left.push(why) })
        const store = gate.guard(here.store)
        const refused: unknown[] = []
        const append = async (): Promise<void> => {
          while (!stop.signal.aborted && left.length < 2) {
            const events = someEvents()
            try {
              await store.append({ stream: someStream(), expected: 0, events })
              acknowledged.push(...events.map(({ id }) => id))
            } catch (error) {
              refused.push(error)
              await new Promise((resolve) => setTimeout(resolve, 5))
            }
          }
        }
        await Promise.all([append(), append(), append()])
        await gate.close()
        return refused
      }
      const processes = Promise.all([process(), process()])
      await expect.poll(() => acknowledged.length).toBeGreaterThan(50)

      const parts = { pool: here.pool, ownerPool: here.ownerPool, source: here.store, destination: there, imports: there }
      const sample = createSample(50)
      let move = await copyOn({ ...parts, move: await beginMove(here.pool, 'postgres', 'memory'), destination: there })
      move = await compareOn({ ...parts, move, sample })
      const stages: string[] = []
      const done = await switchLog({ ...parts, move, sample, onStage: (stage) => void stages.push(stage) })
      stop.abort()

      for (const refused of await processes) {
        expect(refused.length).toBeGreaterThan(0)
        for (const error of refused) expect(error).toBeInstanceOf(StoreUnavailable)
      }
      expect(left).toHaveLength(2)
      expect(done.streamsRead).toBe(50)
      expect(new Set(stages)).toEqual(
        new Set(['freezing', 'copying the rest', 'comparing the rest', 'waiting for processes to end', 'translating positions']),
      )
      const moved = await all(there)
      expect(moved).toEqual(await all(here.store))
      const ids = new Set(moved.map(({ id }) => id))
      expect(acknowledged.filter((id) => !ids.has(id))).toEqual([])

      expect(await logHome(here.pool)).toMatchObject({ engine: 'memory', gate: 'open' })
      await expect(openLogGate({ pool: here.pool, engine: 'postgres', log: quiet, onLeaving: () => undefined })).rejects.toThrow(
        'set EVENT_STORE=memory',
      )
      const gate = await openLogGate({ pool: here.pool, engine: 'memory', log: quiet, onLeaving: () => undefined })
      expect(await gate.guard(there).append({ stream: someStream(), expected: 0, events: someEvents() })).toMatchObject({ outcome: 'appended' })
      await gate.close()
    } finally {
      await here.end()
    }
  })

  it('is called off when the copy is not the log, and appends go on', async () => {
    const here = await installation()
    try {
      await fill(here.store, 4)
      const gate = await openLogGate({ pool: here.pool, engine: 'postgres', log: quiet, everyMs: 20, onLeaving: () => undefined })
      const there = createMemoryEventStore()
      const parts = { pool: here.pool, ownerPool: here.ownerPool, source: here.store, destination: there, imports: there }
      const move = await copyOn({ ...parts, move: await beginMove(here.pool, 'postgres', 'memory'), destination: there })
      await there.append({ stream: someStream(), expected: 0, events: someEvents() })
      await expect(switchLog({ ...parts, move, sample: createSample(5) })).rejects.toThrow('The destination goes on behind what was copied')
      expect(await logHome(here.pool)).toMatchObject({ engine: 'postgres', gate: 'open' })
      const guarded = gate.guard(here.store)
      await expect
        .poll(async () => guarded.append({ stream: someStream(), expected: 0, events: someEvents() }).catch(String))
        .toMatchObject({ outcome: 'appended' })
      await gate.close()
    } finally {
      await here.end()
    }
  })

  it('goes on when it was killed while every process was leaving, and lets nobody in meanwhile', async () => {
    const here = await installation()
    try {
      await fill(here.store, 4)
      const there = createMemoryEventStore()
      const parts = { pool: here.pool, ownerPool: here.ownerPool, source: here.store, destination: there, imports: there }
      const move = await copyOn({ ...parts, move: await beginMove(here.pool, 'postgres', 'memory'), destination: there })
      // As far as it came: frozen, acknowledged by nobody because nobody was there, and on its way.
      const frozen = await freezeLog(here.pool, 'postgres', 60_000)
      expect(await leaveEngine(here.pool, 'postgres', frozen ?? 0)).toBeDefined()
      const said: string[] = []
      let entered = false
      const waiting = openLogGate({
        pool: here.pool,
        engine: 'postgres',
        log: { info: () => undefined, warn: (line) => void said.push(line) },
        onLeaving: () => undefined,
      }).then(
        () => (entered = true),
        (error: unknown) => error,
      )
      await expect.poll(() => said).toEqual([expect.stringContaining('the log is being moved to another engine; waiting')])
      expect(entered).toBe(false)
      const again = await openMove(here.pool)
      await switchLog({ ...parts, move: again ?? move, sample: createSample(4) })
      expect(await waiting).toMatchObject({ name: 'LogElsewhere', message: expect.stringContaining('set EVENT_STORE=memory') })
      expect(await all(there)).toEqual(await all(here.store))
    } finally {
      await here.end()
    }
  })

  it('is not finished by whoever froze it when the freeze has lapsed meanwhile', async () => {
    const here = await installation()
    try {
      const epoch = await freezeLog(here.pool, 'postgres', 1)
      await expect.poll(async () => (await logHome(here.pool))?.gate).toBe('open')
      expect(await leaveEngine(here.pool, 'postgres', epoch ?? 0)).toBeUndefined()
      expect(await freezeLog(here.pool, 'postgres', 60_000)).toBe((epoch ?? 0) + 1)
      expect(await freezeLog(here.pool, 'postgres', 60_000)).toBeUndefined()
    } finally {
      await here.end()
    }
  })

  it('translates what keeps a position, so that everyone goes on at the same event', async () => {
    const here = await installation()
    try {
      const streams = await fill(here.store, 6)
      const there = createMemoryEventStore()
      // Positions that are not the same: the destination begins with something that is not ours to copy.
      const shifted = shiftedBy(there, 1_000)
      const events = await collect(eventsOf(here.store, start))
      const tenantId = streams[0]?.tenantId ?? ''
      const [third, fifth] = [events[2], events[4]]
      await here.pool.query(
        `insert into es.subscriptions (name, position, owner, lease_until) values ('inbox@v1', 5, 'x', now() + interval '1 hour'), ('new', 0, null, null)`,
      )
      await here.pool.query(
        `insert into es.parked_events (tenant_id, subscription, position, stream_key, event_type, category, error) values ($1, 'inbox@v1', 3, 'k', 't', 'failed', 'e'), ($1, 'inbox@v1', 5, 'k', 't', 'behind', 'e')`,
        [tenantId],
      )
      const parts = { pool: here.pool, ownerPool: here.ownerPool, source: here.store, destination: shifted, imports: there }
      const sample = createSample(5)
      const move = await copyOn({ ...parts, move: await beginMove(here.pool, 'postgres', 'memory'), destination: there })
      await switchLog({ ...parts, move, sample })
      const moved = await collect(eventsOf(shifted, start))
      const at = (event: RecordedEvent | undefined) => String(Number(moved.find(({ id }) => id === event?.id)?.position))
      const { rows: subscriptions } = await here.pool.query('select name, position, owner from es.subscriptions order by name')
      expect(subscriptions).toEqual([
        { name: 'inbox@v1', position: at(fifth), owner: null },
        { name: 'new', position: '0', owner: null },
      ])
      expect(at(fifth)).toBe('1005')
      const { rows: parked } = await here.pool.query('select position from es.parked_events order by position')
      expect(parked).toEqual([{ position: at(third) }, { position: at(fifth) }])
    } finally {
      await here.end()
    }
  })

  it('knows of every column that keeps a position', async () => {
    const here = await installation()
    try {
      const { rows } = await here.ownerPool.query<{ name: string }>(
        `select distinct format('%s.%s.%s', c.table_schema, c.table_name, c.column_name) as name from information_schema.columns c
         join information_schema.tables t using (table_schema, table_name)
         where t.table_type = 'BASE TABLE' and c.table_schema in ('es', 'work', 'api', 'keyring') and c.data_type = 'bigint'
           and (c.column_name ~ 'position|through|upto' or c.table_name ~ 'moved_positions') and t.table_name !~ '^attachments_'`,
      )
      const unknown = rows.map(({ name }) => name).filter((name) => !named.has(name) && untouched[name] === undefined)
      expect(unknown).toEqual([])
    } finally {
      await here.end()
    }
  })
})

describe('the gate of the log', () => {
  let database: TestDatabase
  let pool: ReturnType<typeof createPool>
  beforeAll(async () => {
    database = await freshDatabase()
    pool = createPool({ url: database.url, role: 'recado_worker', max: 5, name: 'gate' })
  })
  afterAll(async () => {
    await pool.end()
    await database.drop()
  })

  it('lets a freeze lapse when whoever froze it is gone', async () => {
    const store = createMemoryEventStore()
    const gate = await openLogGate({ pool, engine: 'memory', log: quiet, everyMs: 20, onLeaving: () => undefined })
    const guarded = gate.guard(store)
    const append = async () => guarded.append({ stream: someStream(), expected: 0, events: someEvents() }).then(({ outcome }) => outcome, String)
    expect(await append()).toBe('appended')
    expect(await freezeLog(pool, 'memory', 3_000)).toBeDefined()
    await expect.poll(append, { interval: 20 }).toContain('StoreUnavailable')
    await expect.poll(append, { interval: 50 }).toBe('appended')
    await gate.close()
  })

  it('acknowledges only when what was under way is stored, and lets the results of calls through until then', async () => {
    const store = createMemoryEventStore()
    let inFlight = 1
    const gate = await openLogGate({
      pool,
      engine: 'memory',
      log: quiet,
      everyMs: 20,
      onLeaving: () => undefined,
      isLastWord: ({ events }) => events.every(({ type }) => type === 'SendAccepted'),
    })
    gate.minding(() => inFlight)
    const guarded = gate.guard(store)
    const append = async (type: string) =>
      guarded.append({ stream: someStream(), expected: 0, events: someEvents(1, { type }) }).then(({ outcome }) => outcome, String)
    const epoch = await freezeLog(pool, 'memory', 60_000)
    if (epoch === undefined) throw new Error('the log was open')
    await expect.poll(async () => append('MessageQueued'), { interval: 20 }).toContain('StoreUnavailable')
    expect(await append('SendAccepted')).toBe('appended')
    const acknowledged = async () => (await pool.query<{ acknowledged: string }>('select acknowledged from es.log_users')).rows[0]?.acknowledged
    expect(Number(await acknowledged())).toBeLessThan(epoch)
    inFlight = 0
    await expect.poll(async () => Number(await acknowledged())).toBe(epoch)
    expect(await append('SendAccepted')).toContain('StoreUnavailable')
    expect(await leaveEngine(pool, 'memory', epoch)).toBe(epoch + 1)
    await gate.close()
  })
})

/** The same log, its positions moved up: as on an engine that counts in bytes. */
function shiftedBy(store: EventStore, by: number): EventStore {
  const up = <T extends { position: string }>(event: T): T => ({ ...event, position: positionOf(Number(event.position) + by) })
  const down = (position: string) => positionOf(Math.max(0, Number(position) - by))
  return {
    ...store,
    async readAll(read) {
      const { events, through } = await store.readAll({ ...read, after: down(read.after) })
      return { events: events.map(up), through: positionOf(Number(through) + by) }
    },
  }
}
