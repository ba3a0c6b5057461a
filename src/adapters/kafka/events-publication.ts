import type { Kafka } from 'kafkajs'
import type { Logger } from 'pino'
import type { Publication } from '../../commands/ports/publication.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { createKafkaPublication } from './publication.ts'
import { placeOf, recordOf } from './record.ts'

export const eventsTopic = (prefix: string): string => `${prefix}.events`

/** Every event of the log, in the order of its stream. */
export const createEventsPublication = ({
  kafka,
  prefix,
  partitions,
  log,
}: {
  kafka: Kafka
  prefix: string
  partitions: number
  log: Logger
}): Publication<RecordedEvent> =>
  createKafkaPublication({
    kafka,
    prefix,
    topic: { name: eventsTopic(prefix), keeps: 'everything', partitions },
    rendering: { whole: recordOf, place: placeOf, at: ({ position, id }) => ({ position, id }) },
    log,
  })
