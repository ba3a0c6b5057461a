import { Counter, Gauge, type Registry } from 'prom-client'
import type { Logger } from 'pino'
import { createKafka } from '../adapters/kafka/client.ts'
import { createEventsPublication } from '../adapters/kafka/events-publication.ts'
import { createStatesPublication } from '../adapters/kafka/states-publication.ts'
import { watermarkStatement } from '../adapters/kafka/watermark.ts'
import { publisherOf, runPublisher, type PublisherNews } from '../commands/processes/publisher/publisher.ts'
import type { KafkaConfig } from '../config.ts'
import { start } from '../domain/kernel/position.ts'
import { checkpointOf } from '../postgres/lease.ts'
import { contacts } from '../projections/contacts/projection.ts'
import { conversations } from '../projections/conversations/projection.ts'
import type { AppliedPositions } from '../projections/engine/applied-positions.ts'
import type { Projection } from '../projections/engine/projection.ts'
import { createRowStates } from '../projections/engine/row-states.ts'
import type { Storage } from './storage.ts'

const states: readonly { readonly projection: Projection; readonly type: string }[] = [
  { projection: conversations, type: 'conversation.state' },
  { projection: contacts, type: 'contact.state' },
]

export type Publishing = {
  /** Each topic under its lease, until the signal. */
  readonly run: (running: { owner: string; signal: AbortSignal }) => readonly Promise<void>[]
}

export type PublishingOptions = {
  readonly kafka: KafkaConfig
  readonly storage: Pick<Storage, 'store' | 'workerPool'>
  readonly applied: Pick<AppliedPositions, 'waitFor'>
  readonly registry: Registry
  readonly log: Logger
}

/** What goes out to Kafka: every event, and the present state of conversations and contacts. */
export function createPublishing({ kafka: config, storage: { store, workerPool: pool }, applied, registry, log }: PublishingOptions): Publishing {
  const kafka = createKafka({ ...config, clientId: 'recado-publisher', log })
  const common = { kafka, prefix: config.topicPrefix, partitions: config.partitions, log }
  const events = createEventsPublication(common)
  const ofStates = states.map(({ projection, type }) => ({
    publication: createStatesPublication({ ...common, name: projection.name, type }),
    filter: { types: projection.handles },
    prepare: createRowStates({ projection, pool, shown: async (name, position) => applied.waitFor([name], position, 1_000) }),
  }))
  const tell = watchPublishing(registry, { pool, store }, [events.name, ...ofStates.map(({ publication }) => publication.name)])
  return {
    run: ({ owner, signal }) => [
      runPublisher({
        publication: events,
        store,
        prepare: (page) => page,
        pool,
        owner,
        log,
        signal,
        alongside: ({ position, ends }) => [watermarkStatement({ topic: events.name, through: position, ends })],
        onNews: tell(events.name),
      }),
      ...ofStates.map(async (one) => runPublisher({ ...one, store, pool, owner, log, signal, onNews: tell(one.publication.name) })),
    ],
  }
}

/** How far each topic is, from our database: any process can say, whoever publishes. Counted is what this process did. */
function watchPublishing(
  registry: Registry,
  { pool, store }: { pool: Storage['workerPool']; store: Storage['store'] },
  topics: readonly string[],
): (topic: string) => (news: PublisherNews) => void {
  const registers = [registry]
  const records = new Counter({
    name: 'recado_published_records_total',
    help: 'Records written to Kafka by this process',
    labelNames: ['topic'],
    registers,
  })
  const troubles = new Counter({
    name: 'recado_publish_errors_total',
    help: 'Times that publishing to Kafka was disturbed, by what it was',
    labelNames: ['topic', 'kind'],
    registers,
  })
  registry.registerMetric(
    new Gauge({
      name: 'recado_published_position',
      help: 'Place in the log up to which everything is in Kafka',
      labelNames: ['topic'],
      registers: [],
      async collect() {
        for (const topic of topics) this.set({ topic }, Number((await checkpointOf(pool, publisherOf({ name: topic }))) ?? start))
      },
    }),
  )
  registry.registerMetric(
    new Gauge({
      name: 'recado_publish_lag_events',
      help: 'Events in the log that are not in Kafka yet',
      labelNames: ['topic'],
      registers: [],
      async collect() {
        const head = await store.head().catch(() => undefined)
        for (const topic of topics) {
          const from = (await checkpointOf(pool, publisherOf({ name: topic }))) ?? start
          const behind = head === undefined ? undefined : await store.distance(from, head.position).catch(() => undefined)
          this.set({ topic }, behind?.events ?? Number.NaN)
        }
      },
    }),
  )
  return (topic) => (news) => {
    if (news.kind === 'published') records.inc({ topic }, news.items)
    else troubles.inc({ topic, kind: news.trouble })
  }
}
