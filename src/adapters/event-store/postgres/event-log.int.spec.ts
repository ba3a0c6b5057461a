import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, type Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newAttachmentSeal } from '../../../../tests/support/attachments.ts'
import { freshDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { collect, followUntil, someEvents, someStream } from '../../../../tests/support/events.ts'
import type { AttachmentSeal } from '../../../domain/kernel/attachments.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import { start } from '../../../domain/kernel/position.ts'
import { createPool } from '../../../postgres/pool.ts'
import { inTenant } from '../../../postgres/transaction.ts'
import { createPostgresEventStore } from './event-store.ts'
import { readPage, type Ask } from './read-log.ts'

describe('the log on PostgreSQL', () => {
  let database: TestDatabase
  let worker: Pool
  let api: Pool
  let owner: Pool
  let store: EventStore
  let attachments: AttachmentSeal
  beforeAll(async () => {
    database = await freshDatabase()
    worker = createPool({ url: database.url, role: 'recado_worker', max: 6, name: 'worker' })
    api = createPool({ url: database.url, role: 'recado_api', max: 2, name: 'api' })
    owner = createPool({ url: database.url, role: 'owner', max: 2, name: 'owner' })
    attachments = await newAttachmentSeal(worker)
    store = createPostgresEventStore({ pool: worker, listenUrl: database.url, attachments })
  })
  afterAll(async () => {
    await store.close()
    await Promise.all([worker.end(), api.end(), owner.end()])
    await database.drop()
  })

  describe('is append-only', () => {
    beforeAll(() => store.append({ stream: someStream(), expected: 0, events: someEvents(3) }))
    const edits = [`update es.events set data = '{}'`, 'delete from es.events', 'truncate es.events']

    it.each(edits)('for its owner too: %s', async (edit) => {
      await expect(owner.query(edit)).rejects.toThrow('append-only')
    })
    it.each([...edits, 'insert into es.events select * from es.events'])('for the worker, who may only append: %s', async (edit) => {
      await expect(worker.query(edit)).rejects.toThrow('permission denied')
    })
    it('except that its owner may empty an event on purpose, and even then not remove one', async () => {
      await expect(owner.query(`begin; set local es.allow_erasure = 'on'; delete from es.events; commit`)).rejects.toThrow('append-only')
      await owner.query('rollback')
      await owner.query(`begin; set local es.allow_erasure = 'on'; update es.events set data = '{"erased":true}' where position = 1; commit`)
      expect((await store.readAll({ after: start, limit: 1 })).events[0]?.data).toEqual({ erased: true })
    })
  })

  it('shows the api one tenant at a time, and nothing without one', async () => {
    const [mine, other] = [someStream(), someStream()]
    const attachment = Buffer.from('body')
    await store.append({ stream: mine, expected: 0, events: someEvents(2, { attachment }) })
    await store.append({ stream: other, expected: 0, events: someEvents(3, { attachment }) })
    for (const table of ['es.events', 'es.attachments']) {
      expect((await api.query(`select from ${table}`)).rowCount).toBe(0)
      const rows = await inTenant<{ tenant_id: string }>(api, mine.tenantId, `select distinct tenant_id from ${table}`)
      expect(rows.map((row) => row.tenant_id)).toEqual([mine.tenantId])
    }
    await expect(api.query('select es.append(null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null)')).rejects.toThrow(
      'permission denied',
    )
    const { rows: partitions } = await owner.query<{ name: string }>(
      `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'es.attachments'::regclass`,
    )
    expect(partitions.length).toBeGreaterThanOrEqual(4)
    for (const { name } of partitions) await expect(api.query(`select from ${name}`)).rejects.toThrow('permission denied')
  })

  it('keeps the bodies of a month in a partition of its own, and those of an unprepared month until it is prepared', async () => {
    const where = async (position: string) =>
      (await owner.query<{ part: string }>('select tableoid::regclass::text as part from es.attachments where position = $1', [position])).rows[0]
        ?.part
    const append = async () => {
      const result = await store.append({ stream: someStream(), expected: 0, events: someEvents(1, { attachment: Buffer.from('kept') }) })
      return result.outcome === 'appended' ? String(Number(result.position)) : ''
    }
    const prepared = await append()
    expect(await where(prepared)).toMatch(/attachments_\d{4}_\d\d$/)
    const month = (await where(prepared)) ?? ''
    await owner.query(`alter table es.attachments detach partition ${month}; drop table ${month}`)
    const unprepared = await append()
    expect(await where(unprepared)).toBe('es.attachments_default')
    expect((await worker.query('select es.prepare_attachment_months()')).rowCount).toBe(1)
    expect(await where(unprepared)).toBe(month)
    const { events } = await store.readAll({ after: start, limit: 100_000, attachments: true })
    expect(events.find(({ position }) => Number(position) === Number(unprepared))?.attachment?.toString()).toBe('kept')
    // What retention dropped is simply not there any more.
    expect(events.find(({ position }) => Number(position) === Number(prepared))?.attachment).toBeUndefined()
  })

  it('looks for versions and repeats by an index, also with plans that were made while the log was empty', async () => {
    const empty = await freshDatabase()
    const [pool, admin] = [createPool({ url: empty.url, role: 'recado_worker', max: 4, name: 'fresh' }), new Client({ connectionString: empty.url })]
    await admin.connect()
    try {
      await admin.query('vacuum analyze es.events')
      const fresh = createPostgresEventStore({ pool, listenUrl: empty.url, lanes: 1 })
      const appends = Array.from({ length: 300 }, () => ({ stream: someStream(), expected: 0, events: someEvents(1) }))
      for (const append of appends.slice(0, 5)) expect(await fresh.append(append)).toMatchObject({ outcome: 'appended' })
      for (const append of appends.slice(0, 5)) expect(await fresh.append(append)).toMatchObject({ outcome: 'duplicate' })
      const outcomes = (await Promise.all(appends.map((append) => fresh.append(append)))).map(({ outcome }) => outcome)
      expect(outcomes).toEqual(appends.map((_, index) => (index < 5 ? 'duplicate' : 'appended')))
      await fresh.close()
    } finally {
      // A session tells what it did when it ends.
      await pool.end()
    }
    const scans = async () => {
      const { rows } = await admin.query<{ whole: string; index: string }>(
        `select seq_scan as whole, idx_scan as index from pg_stat_user_tables where relid = 'es.events'::regclass`,
      )
      return { whole: Number(rows[0]?.whole), index: Number(rows[0]?.index) }
    }
    await expect.poll(async () => Object.values(await scans()).reduce((sum, count) => sum + count), { timeout: 20_000 }).toBeGreaterThan(300)
    expect((await scans()).whole).toBe(0)
    await admin.end()
    await empty.drop()
  })

  it('says of an attachment that was changed on the disk that it cannot be read, and of no other', async () => {
    const from = (await store.head()).position
    const append = async (text: string) =>
      store.append({ stream: someStream(), expected: 0, events: someEvents(1, { attachment: Buffer.from(text) }) })
    await append('changed')
    await append('whole')
    await owner.query(`update es.attachments set body = overlay(body placing '\\x00' from octet_length(body)) where position = $1`, [
      BigInt(from) + 1n,
    ])
    const { events } = await store.readAll({ after: from, limit: 10, attachments: true })
    expect(events.map(({ attachment, unreadable }) => (attachment === undefined ? unreadable : Buffer.from(attachment).toString()))).toEqual([
      'sealed data was changed or moved',
      'whole',
    ])
  })

  it('stores the neighbours of an append that the server refuses for good', async () => {
    await owner.query(`alter table es.events add constraint no_poison check (type <> 'Poison') not valid`)
    const results = await Promise.allSettled(
      Array.from({ length: 30 }, (_, nth) =>
        store.append({ stream: someStream(), expected: 0, events: someEvents(1, nth === 17 ? { type: 'Poison' } : {}) }),
      ),
    )
    expect(results.flatMap(({ status }, nth) => (status === 'rejected' ? [nth] : []))).toEqual([17])
    expect(results[17]).toMatchObject({ reason: { code: '23514' } })
    await owner.query('alter table es.events drop constraint no_poison')
  })

  it('finds the events of a tenant, and of a stream, by an index', async () => {
    const plan = async (query: string) => {
      const { rows } = await owner.query<{ 'QUERY PLAN': string }>(`explain ${query}`)
      return rows.map((row) => row['QUERY PLAN']).join('\n')
    }
    const tenant = randomUUID()
    for (let nth = 0; nth < 100; nth++)
      await store.append({ stream: someStream(nth === 50 ? tenant : randomUUID()), expected: 0, events: someEvents(200) })
    await owner.query('analyze es.events')
    expect(await plan(`select * from es.events where tenant_id = '${tenant}' and position > 5 order by position limit 100`)).toContain(
      'events_tenant',
    )
    expect(
      await plan(`select * from es.events where tenant_id = '${tenant}' and stream_id = 'x' and version > 5 order by version limit 100`),
    ).toContain('events_stream')
    expect(await plan('select position from es.events order by position desc limit 1')).toContain('Only Scan Backward using events_pkey')
    expect(await plan('select * from es.events where position > 5 order by position limit 1000')).toContain('events_pkey')
  })

  it('finds what is attached by one look each, also where nothing is and thousands of others have something', async () => {
    const stream = someStream()
    await owner.query(
      `insert into es.attachments (tenant_id, position, recorded_at, body) select $1, -n, now() - interval '1 minute', 'x' from generate_series(1, 20000) n`,
      [stream.tenantId],
    )
    await store.append({ stream, expected: 0, events: someEvents(100) })
    await owner.query('analyze es.attachments')
    const after = Number((await store.head()).position) - 100
    let plan = ''
    const explained: Ask = async ({ text, values }) => {
      const { rows } = await owner.query<{ 'QUERY PLAN': string }>(`explain (analyze, buffers, costs off, timing off, summary off) ${text}`, values)
      plan = rows.map((row) => row['QUERY PLAN']).join('\n')
      return []
    }
    await readPage(explained, { after, filter: {}, limit: 100, attachments }).catch(() => undefined)
    // The first line is the sum of all.
    const pages = Number(/Buffers: shared hit=(\d+)/.exec(plan)?.[1])
    expect(plan).toContain('attachments')
    expect(pages, plan).toBeLessThan(2_000)
    await owner.query('delete from es.attachments where position < 0')
  })

  it('cuts a page that gets heavy, and goes on after it without a loss', async () => {
    const { position: after } = await store.head()
    const stream = someStream()
    const heavy = 3_000_000
    // A stream reaches 16 MiB with its sixth body.
    for (let nth = 0; nth < 7; nth++)
      await store.append({ stream, expected: nth * 2, events: [...someEvents(1, { attachment: Buffer.alloc(heavy, nth) }), ...someEvents(1)] })
    const expected = Array.from({ length: 14 }, (_, index) => [index + 1, index % 2 === 0 ? (index / 2) * 1_000_000_000 + heavy : undefined])
    const seen = (events: readonly RecordedEvent[]) =>
      events.map(({ version, attachment }) => [version, attachment && (attachment.at(-1) ?? 0) * 1_000_000_000 + attachment.length])

    for (const filter of [{}, { tenantId: stream.tenantId }]) {
      const first = await store.readAll({ after, filter, limit: 500, attachments: true })
      expect(seen(first.events)).toEqual(expected.slice(0, 11))
      expect(Number(first.through)).toBe(Number(after) + 11)
      const second = await store.readAll({ after: first.through, filter, limit: 500, attachments: true })
      expect(seen(second.events)).toEqual(expected.slice(11))
      expect((await store.readAll({ after, filter, limit: 500 })).events).toHaveLength(14)
    }
    expect(seen(await collect(store.readStream(stream, { attachments: true })))).toEqual(expected)
  })

  it('is followed across processes, also when the connection that listens is cut, and hearsay does no harm', async () => {
    const { position: from } = await store.head()
    const elsewhere = createPostgresEventStore({ pool: worker, listenUrl: database.url, attachments })
    const append = () => elsewhere.append({ stream: someStream(), expected: 0, events: someEvents(1, { attachment: Buffer.from('from elsewhere') }) })
    const { events } = await followUntil(store, { after: from, attachments: true }, (seen, delivery) => {
      if (delivery.kind === 'caught-up' && seen.length === 0) {
        void owner.query(`select pg_notify('es_log', '999999999'), pg_notify('es_log', 'nonsense')`).then(append)
      } else if (delivery.kind === 'caught-up' && seen.length === 1) {
        void owner
          .query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'recado listen' and datname = current_database()`)
          .then(append)
      }
      return seen.length === 2
    })
    expect(events.map((event) => Buffer.from(event.attachment ?? []).toString())).toEqual(['from elsewhere', 'from elsewhere'])
    await elsewhere.close()
  })

  it('says so loudly when an event is missing', async () => {
    const broken = await freshDatabase()
    const pool = createPool({ url: broken.url, role: 'recado_worker', max: 4, name: 'broken' })
    const holed = createPostgresEventStore({ pool, listenUrl: broken.url })
    await holed.append({ stream: someStream(), expected: 0, events: someEvents(5) })
    const admin = new Client({ connectionString: broken.url })
    await admin.connect()
    await admin.query('alter table es.events disable trigger append_only; delete from es.events where position = 3')
    await admin.end()
    await expect(holed.readAll({ after: start, limit: 10 })).rejects.toThrow('hole between the positions 0 and 5')
    await expect(collect(holed.subscribe({ after: start, signal: new AbortController().signal }))).rejects.toThrow('hole')
    await holed.close()
    await pool.end()
    await broken.drop()
  })

  it('listens for as long as somebody subscribes, and not while nobody subscribes', async () => {
    const listening = async () =>
      (await owner.query(`select from pg_stat_activity where application_name = 'recado listen' and datname = current_database()`)).rowCount
    const become = async (count: number) => {
      for (let tries = 0; tries < 200 && (await listening()) !== count; tries++) await sleep(20)
      expect(await listening()).toBe(count)
    }
    await become(0)
    const stop = new AbortController()
    const following = collect(store.subscribe({ after: (await store.head()).position, signal: stop.signal }))
    await become(1)
    stop.abort()
    await following
    await become(0)
  })
})
