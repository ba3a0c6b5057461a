import type { Logger } from 'pino'
import { createKafka } from '../adapters/kafka/client.ts'
import { createKafkaFeed } from '../adapters/kafka/feed.ts'
import { eventsTopic } from '../adapters/kafka/events-publication.ts'
import type { Config } from '../config.ts'
import type { EventSource } from '../domain/kernel/event-source.ts'
import type { Storage } from './storage.ts'

/** Where read models get their events from. To be closed when nobody follows any more. */
export type ProjectionSource = EventSource & { readonly close: () => Promise<void> }

/** The topic that the log is published to. */
export function openProjectionSource(
  { kafka }: Pick<Config, 'kafka'>,
  { storage: { store, workerPool, listenUrl }, log }: { storage: Pick<Storage, 'store' | 'workerPool' | 'listenUrl'>; log: Logger },
): ProjectionSource {
  if (kafka === undefined) throw new Error('read models cannot be fed by Kafka where no broker is named')
  return createKafkaFeed({
    kafka: createKafka({ ...kafka, clientId: 'recado-projections', log }),
    topic: eventsTopic(kafka.topicPrefix),
    groupPrefix: `${kafka.topicPrefix}.`,
    pool: workerPool,
    listenUrl,
    log: store,
    logger: log.child({ part: 'read models from Kafka' }),
  })
}
