import { randomUUID } from 'node:crypto'
import type { Admin } from 'kafkajs'
import type { Pool } from 'pg'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { someEvents, someStream } from '../../../tests/support/events.ts'
import { sharedKafka } from '../../../tests/support/kafka/kafka-server.ts'
import { plainKafka } from '../../../tests/support/kafka/plain-client.ts'
import { readTopic } from '../../../tests/support/kafka/read-topic.ts'
import { auditTopic } from '../../../tests/support/kafka/topic-audit.ts'
import type { PublicationTrouble } from '../../commands/ports/publication.ts'
import { publisherOf, runPublisher, type PublisherNews } from '../../commands/processes/publisher/publisher.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { start } from '../../domain/kernel/position.ts'
import { checkpointOf } from '../../postgres/lease.ts'
import { createPool } from '../../postgres/pool.ts'
import { createPostgresEventStore } from '../event-store/postgres/event-store.ts'
import { createKafka } from './client.ts'
import { createEventsPublication, eventsTopic } from './events-publication.ts'

const shared = await sharedKafka()
const brokers = shared?.brokers ?? []
const sound = { missing: 0, doubled: 0, strange: 0, disorderedStreams: 0, changed: 0 }
const never = new AbortController().signal

describe.skipIf(shared === undefined)('what is published to Kafka', () => {
  let database: TestDatabase
  let pool: Pool
  let store: EventStore
  let admin: Admin
  beforeAll(async () => {
    admin = plainKafka(brokers).admin()
    await admin.connect()
  })
  beforeEach(async () => {
    database = await freshDatabase()
    pool = createPool({ url: database.url, role: 'recado_worker', max: 8, name: 'publication' })
    store = createPostgresEventStore({ pool, listenUrl: database.url })
    prefix = `test-${randomUUID()}`
  })
  const running = new Set<() => Promise<void>>()
  afterEach(async () => {
    await Promise.all([...running].map(async (stop) => stop()))
    await store.close()
    await pool.end()
    await database.drop()
  })
  afterAll(async () => admin.disconnect())

  let prefix: string
  const lines: { level: number; msg: string; reason?: string }[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line) as (typeof lines)[number]) })
  const publication = () =>
    createEventsPublication({ kafka: createKafka({ brokers, tls: false, sasl: undefined, clientId: 'test', log }), prefix, partitions: 3, log })

  function publish(more: { pageSize?: number; owner?: string } = {}): { news: PublisherNews[]; stop: () => Promise<void> } {
    lines.length = 0
    const news: PublisherNews[] = []
    const ending = new AbortController()
    const done = runPublisher({
      publication: publication(),
      store,
      prepare: (events) => events,
      pool,
      owner: randomUUID(),
      log,
      signal: ending.signal,
      onNews: (one) => void news.push(one),
      ...more,
    })
    const stop = async (): Promise<void> => {
      ending.abort()
      running.delete(stop)
      await done
    }
    running.add(stop)
    return { news, stop }
  }

  async function happen(count: number, streams = 5): Promise<void> {
    const all = Array.from({ length: streams }, () => someStream())
    await Promise.all(all.map(async (stream) => store.append({ stream, expected: 0, events: someEvents(Math.ceil(count / streams)) })))
  }
  const published = async (): Promise<void> => {
    const { position } = await store.head()
    await expect.poll(async () => checkpointOf(pool, publisherOf({ name: eventsTopic(prefix) }))).toBe(position)
  }
  const audit = async () => auditTopic(store, brokers, eventsTopic(prefix))

  it('is the log, event by event, in the order of each stream, whole', async () => {
    await happen(500)
    publish({ pageSize: 70 })
    await published()
    await happen(200)
    await published()
    expect(await audit()).toEqual({ events: 700, published: 700, ...sound })
  })

  it('is not repeated by one who starts again, also when our own database has forgotten how far it was', async () => {
    await happen(100)
    const first = publish()
    await published()
    await first.stop()
    await pool.query(`update es.subscriptions set position = 0 where name = $1`, [publisherOf({ name: eventsTopic(prefix) })])
    await happen(50)
    publish()
    await published()
    expect(await audit()).toEqual({ events: 150, published: 150, ...sound })
  })

  it('comes from one writer: whoever opens it shuts out the one before, and nothing is there twice', async () => {
    await happen(20, 1)
    const { events } = await store.readAll({ after: start, limit: 20 })
    const last = events.at(-1)?.position ?? start
    const older = await publication().open(never)
    await older.publish(events.slice(0, 10), events[9]?.position ?? start)
    const newer = await publication().open(never)
    expect(newer.reached.position).toBe(events[9]?.position)
    await expect(older.publish(events.slice(10), last)).rejects.toMatchObject({ kind: 'superseded' } satisfies Partial<PublicationTrouble>)
    await newer.publish(events.slice(10), last)
    await newer.close()
    expect(await audit()).toEqual({ events: 20, published: 20, ...sound })
  })

  it('says where each partition ends', async () => {
    await happen(30, 6)
    const open = await publication().open(never)
    const { events } = await store.readAll({ after: start, limit: 30 })
    const { ends } = await open.publish(events, events.at(-1)?.position ?? start)
    await open.close()
    const again = await publication().open(never)
    expect(again.reached.ends).toEqual(ends)
    await again.close()
    const records = await readTopic(brokers, eventsTopic(prefix))
    for (const [partition, end] of ends.entries()) {
      const offsets = records.filter((record) => record.partition === partition).map(({ offset }) => offset)
      expect(offsets.at(-1) ?? -1n).toBe(BigInt(end) - 1n)
    }
  })

  it('of an event that is larger than the topic takes keeps its place, and puts that on record', async () => {
    const stream = someStream()
    const large = someEvents(1, { data: { text: 'x'.repeat(2_000_000) } })
    await store.append({ stream, expected: 0, events: [...someEvents(2), ...large, ...someEvents(2)] })
    publish()
    await published()
    const records = await readTopic(brokers, eventsTopic(prefix))
    expect(records.map(({ headers }) => headers['ce_version'])).toEqual(['1', '2', '3', '4', '5'])
    expect(records.filter(({ value }) => value === null).map(({ headers }) => headers['ce_dataref'])).toEqual([
      `conversation-${stream.tenantId}_${stream.id}@3`,
    ])
    const [notice, ...others] = await readTopic(brokers, `${prefix}.dead-letters`)
    expect(others).toEqual([])
    expect(JSON.parse(notice?.value ?? '')).toMatchObject({ reason: 'too_large', topic: eventsTopic(prefix), event_id: large[0]?.id })
  })

  it('goes on around an event that the topic refuses after all, and loses nothing beside it', async () => {
    const open = publication()
    await (await open.open(never)).close()
    const stream = someStream()
    const events = [...someEvents(20), ...someEvents(1, { data: { text: 'x'.repeat(30_000) } }), ...someEvents(20)]
    // The limit is lowered behind the back of a publisher that has asked for it already.
    const { news } = publish()
    await expect.poll(() => news.length).toBeGreaterThan(0)
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: 2, name: eventsTopic(prefix), configEntries: [{ name: 'max.message.bytes', value: '20000' }] }],
    })
    await store.append({ stream, expected: 0, events })
    await published()
    const records = await readTopic(brokers, eventsTopic(prefix))
    expect(records.map(({ headers }) => headers['ce_id'])).toEqual(events.map(({ id }) => id))
    expect(records.filter(({ value }) => value === null).map(({ headers }) => headers['ce_id'])).toEqual([events[20]?.id])
    expect(news).toContainEqual({ kind: 'trouble', trouble: 'refused' })
  })

  it('has nothing personal in keys and headers', async () => {
    const stream = someStream()
    const meta = {
      occurredAt: '2026-01-01T12:00:00.000Z',
      correlationId: 'maria',
      causationId: 'maria',
      actor: { kind: 'user', id: 'u', name: 'maria' },
    } as const
    await store.append({ stream, expected: 0, events: someEvents(1, { data: { to: 'maria' }, meta }) })
    publish()
    await published()
    const [record] = await readTopic(brokers, eventsTopic(prefix))
    expect(JSON.stringify([record?.key, record?.headers])).not.toContain('maria')
    expect(JSON.parse(record?.value ?? '')).toEqual({ data: { to: 'maria' }, meta })
  })

  it.each([
    ['is compacted', { 'cleanup.policy': 'compact' }, /Set cleanup.policy=delete/],
    ['wants more replicas than there are', { 'min.insync.replicas': '2' }, /Set min.insync.replicas to 1/],
  ])('does not begin in a topic that %s, and says what to set', async (_, settings, line) => {
    const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
    await admin.createTopics({ topics: [{ topic: eventsTopic(prefix), numPartitions: 3, configEntries }] })
    await expect(publication().open(never)).rejects.toMatchObject({ kind: 'unfit', message: expect.stringMatching(line) as string })
  })

  it('stops where the topic was made anew under what is published, and says how to go on', async () => {
    await happen(10)
    const first = publish()
    await published()
    await first.stop()
    await admin.deleteTopics({ topics: [eventsTopic(prefix)] })
    await expect.poll(async () => admin.listTopics()).not.toContain(eventsTopic(prefix))
    await expect(publication().open(never)).rejects.toMatchObject({
      kind: 'unfit',
      message: expect.stringMatching(/ends before what was published/) as string,
    })
  })

  it('stops where partitions were added, for the order of a stream would be lost without a word', async () => {
    await happen(10)
    const first = publish()
    await published()
    await first.stop()
    await admin.createPartitions({ topicPartitions: [{ topic: eventsTopic(prefix), count: 4 }] })
    await expect(publication().open(never)).rejects.toMatchObject({
      kind: 'unfit',
      message: expect.stringMatching(/had 3 partitions and has 4/) as string,
    })
  })

  it('stops where the log is another one than that which was published', async () => {
    await happen(10)
    const first = publish()
    await published()
    await first.stop()
    const elsewhere = await freshDatabase()
    const otherPool = createPool({ url: elsewhere.url, role: 'recado_worker', max: 4, name: 'elsewhere' })
    const other = createPostgresEventStore({ pool: otherPool, listenUrl: elsewhere.url })
    await other.append({ stream: someStream(), expected: 0, events: someEvents(20) })
    const ending = new AbortController()
    lines.length = 0
    const done = runPublisher({
      publication: publication(),
      store: other,
      prepare: (e) => e,
      pool: otherPool,
      owner: 'o',
      log,
      signal: ending.signal,
    })
    await expect.poll(() => lines.map(({ msg }) => msg)).toContainEqual(expect.stringMatching(/published from another log/))
    ending.abort()
    await done
    await other.close()
    await otherPool.end()
    await elsewhere.drop()
  })
})
