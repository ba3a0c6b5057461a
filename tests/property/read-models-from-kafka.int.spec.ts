import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import type { Pool, PoolClient } from 'pg'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { createKafka } from '../../src/adapters/kafka/client.ts'
import { createEventsPublication, eventsTopic } from '../../src/adapters/kafka/events-publication.ts'
import { createKafkaFeed } from '../../src/adapters/kafka/feed.ts'
import { watermarkStatement } from '../../src/adapters/kafka/watermark.ts'
import { createPostgresEventStore } from '../../src/adapters/event-store/postgres/event-store.ts'
import { runPublisher } from '../../src/commands/processes/publisher/publisher.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { createAppliedPositions } from '../../src/projections/engine/applied-positions.ts'
import { prepareReadModels } from '../../src/projections/engine/generations.ts'
import { runProjection } from '../../src/projections/engine/live.ts'
import { projections } from '../../src/projections/index.ts'
import { anyEvent } from '../support/any-event.ts'
import { freshDatabase } from '../support/database.ts'
import { history } from '../support/histories.ts'
import { sharedKafka } from '../support/kafka/kafka-server.ts'
import { append, believable, contents, moody, twinOf } from '../support/twins.ts'

const shared = await sharedKafka()
const log = pino({ level: 'silent' })
const models = projections.map(moody)
const twins = models.map(twinOf)

/** Connections that break now and then, with a page under way: it may be committed or not, and nobody is told. */
function fragile(pool: Pool): Pool {
  let statements = 0
  pool.on('connect', (client: PoolClient) => {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown
    Object.assign(client, {
      query: (...args: unknown[]) => {
        const answer = query(...args)
        if (++statements % 150 === 0)
          setTimeout(() => (client as unknown as { connection: { stream: { destroy: () => void } } }).connection.stream.destroy(), 1)
        return answer
      },
    })
  })
  return pool
}

async function open() {
  const db = await freshDatabase()
  const prefix = `twins-${randomUUID()}`
  const pool = createPool({ url: db.url, role: 'recado_worker', max: 20, name: 'twins' })
  const ownerPool = createPool({ url: db.url, role: 'owner', max: 4, name: 'twins owner' })
  const store = createPostgresEventStore({ pool, listenUrl: db.url })
  const kafka = createKafka({ brokers: shared?.brokers ?? [], tls: false, sasl: undefined, clientId: 'twins', log })
  await prepareReadModels(ownerPool, [...models, ...twins])
  const applied = createAppliedPositions({ projections: [...models, ...twins], pool, store })
  const stop = new AbortController()
  const common = { ownerPool, log, pageSize: 7, leaseMs: 1_500, mostParkedRows: 10_000 }
  const running = [
    runPublisher({
      publication: createEventsPublication({ kafka, prefix, partitions: 6, log }),
      store,
      prepare: (page) => page,
      pool,
      owner: randomUUID(),
      log,
      signal: stop.signal,
      pageSize: 20,
      alongside: ({ position, ends }) => [watermarkStatement({ topic: eventsTopic(prefix), through: position, ends })],
    }),
    ...twins.map((projection) => runProjection({ ...common, projection, store, pool, owner: randomUUID(), signal: stop.signal })),
  ]

  /** As another process would be: everything of its own but the database and the broker. */
  function worker(): { leave: () => Promise<void> } {
    const mine = fragile(createPool({ url: db.url, role: 'recado_worker', max: 8, name: 'fragile' }))
    const leaving = new AbortController()
    const feed = createKafkaFeed({
      kafka,
      topic: eventsTopic(prefix),
      groupPrefix: `${prefix}.`,
      pool: mine,
      listenUrl: db.url,
      log: store,
      logger: log,
      mostWaiting: 30,
    })
    const owner = randomUUID()
    const working = models.map((projection) => runProjection({ ...common, projection, store: feed, pool: mine, owner, signal: leaving.signal }))
    return {
      async leave() {
        leaving.abort()
        await Promise.all(working)
        await feed.close()
        await mine.end()
      },
    }
  }

  return {
    store,
    pool: ownerPool,
    worker,
    async applied() {
      const { position } = await store.head()
      const names = [...models, ...twins].map(({ name }) => name)
      expect(await applied.waitFor(names, position, 120_000)).toBe(true)
    },
    /** In how many read models a page has left its place beside the rows. */
    async placed(): Promise<number> {
      const { rows } = await ownerPool.query<{ count: number }>('select count(*)::int as count from es.source_places where place like $1', [
        `${prefix}.%`,
      ])
      return rows[0]?.count ?? 0
    },
    async close() {
      stop.abort()
      await Promise.all(running)
      await store.close()
      await Promise.all([pool, ownerPool].map((one) => one.end()))
      await db.drop()
    },
  }
}

describe.skipIf(shared === undefined)('every read model, fed by Kafka to workers that come and go', () => {
  it('equals the one that is fed by the log, row for row and parked event for parked event', { timeout: 600_000 }, async () => {
    let parkedEver = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyEvent, { minLength: 300, maxLength: 400, size: 'max' }),
        history(200, 120),
        fc.array(anyEvent, { minLength: 200, maxLength: 260, size: 'max' }),
        async (first, lifelike, second) => {
          const house = await open()
          try {
            const happened = believable([...first, ...lifelike, ...second])
            const quarter = Math.ceil(happened.length / 4)
            const part = async (nth: number): Promise<void> => append(house.store, happened.slice(nth * quarter, (nth + 1) * quarter))
            const one = house.worker()
            await part(0)
            await house.applied()
            const two = house.worker()
            // The first one leaves in the middle of the load, and the second takes over where it stood.
            await Promise.all([part(1), sleep(200).then(() => one.leave())])
            const three = house.worker()
            await part(2)
            await Promise.all([part(3), two.leave()])
            await house.applied()
            expect(await house.placed()).toBe(models.length)
            let rows = 0
            for (const model of models) {
              const [mine, theirs] = [await contents(house.pool, model), await contents(house.pool, twinOf(model))]
              expect({ model: model.name, ...mine }).toEqual({ model: model.name, ...theirs })
              rows += mine.rows.length
              parkedEver += mine.parked.length
            }
            expect(rows).toBeGreaterThan(20)
            await three.leave()
          } finally {
            await house.close()
          }
        },
      ),
      { numRuns: Number(process.env['RECADO_KAFKA_RUNS'] ?? 2), endOnFailure: true },
    )
    expect(parkedEver).toBeGreaterThan(0)
  })
})
