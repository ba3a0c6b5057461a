import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { createPostgresEventStore } from '../../../src/adapters/event-store/postgres/event-store.ts'
import { createKafka } from '../../../src/adapters/kafka/client.ts'
import { createEventsPublication, eventsTopic } from '../../../src/adapters/kafka/events-publication.ts'
import { createKafkaFeed } from '../../../src/adapters/kafka/feed.ts'
import { watermarkStatement } from '../../../src/adapters/kafka/watermark.ts'
import { runPublisher } from '../../../src/commands/processes/publisher/publisher.ts'
import { createPool } from '../../../src/postgres/pool.ts'
import { runProjection } from '../../../src/projections/engine/live.ts'
import { projections } from '../../../src/projections/index.ts'

/** A worker to be killed: publishes the log and has its read models fed by Kafka. Says "working" when it has begun, and its warnings. */
export type WorkerTask = { readonly url: string; readonly brokers: readonly string[]; readonly prefix: string; readonly partitions: number }
const { url, brokers, prefix, partitions } = JSON.parse(process.argv[2] ?? '{}') as WorkerTask

const log = pino({ level: 'warn' })
const pool = createPool({ url, role: 'recado_worker', max: 8, name: 'killed', onError: () => undefined })
const ownerPool = createPool({ url, role: 'owner', max: 2, name: 'killed owner', onError: () => undefined })
const store = createPostgresEventStore({ pool, listenUrl: url })
const kafka = createKafka({ brokers, tls: false, sasl: undefined, clientId: 'worker', log })
const topic = eventsTopic(prefix)
const feed = createKafkaFeed({ kafka, topic, groupPrefix: `${prefix}.`, pool, listenUrl: url, log: store, logger: log })
const ending = new AbortController()
process.once('SIGTERM', () => ending.abort())
const common = { pool, owner: randomUUID(), log, signal: ending.signal }
const running = [
  runPublisher({
    ...common,
    publication: createEventsPublication({ kafka, prefix, partitions, log }),
    store,
    prepare: (events) => events,
    pageSize: 50,
    alongside: ({ position, ends }) => [watermarkStatement({ topic, through: position, ends })],
  }),
  ...projections.map((projection) => runProjection({ ...common, projection, store: feed, ownerPool, pageSize: 20, leaseMs: 1_500 })),
]
process.stdout.write('working\n')
await Promise.all(running)
await feed.close()
await store.close()
await Promise.all([pool.end(), ownerPool.end()])
