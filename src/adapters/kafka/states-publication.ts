import type { Kafka } from 'kafkajs'
import type { Logger } from 'pino'
import type { EntityState, Publication } from '../../commands/ports/publication.ts'
import { createKafkaPublication } from './publication.ts'
import type { Outgoing } from './record.ts'

/**
 * The present state of each conversation, each contact: a compacted topic, of which Kafka keeps the last record of each key. A tombstone (no value) says that
 * it is no more, and makes Kafka forget what stood there. Sealed fields stay sealed; keys and headers hold nothing personal.
 */
export function createStatesPublication({
  kafka,
  prefix,
  partitions,
  log,
  name,
  type,
}: {
  kafka: Kafka
  prefix: string
  partitions: number
  log: Logger
  /** Of the topic behind the prefix. */
  name: string
  /** As a CloudEvents type: `conversation.state`. */
  type: string
}): Publication<EntityState> {
  const whole = ({ tenantId, id, state, shape, at }: EntityState): Outgoing => ({
    key: `${tenantId}/${id}`,
    value: state === undefined ? null : Buffer.from(JSON.stringify(state)),
    headers: {
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_id: `${name}/${id}/${at.position}`,
      ce_type: type,
      ce_source: `/tenants/${tenantId}/${name}`,
      ce_subject: id,
      ce_tenant: tenantId,
      ce_position: at.position,
      ce_schemaversion: String(shape),
    },
  })
  return createKafkaPublication({
    kafka,
    prefix,
    topic: { name: `${prefix}.${name}`, keeps: 'the-last-of-each-key', partitions },
    // Nothing is better than what is no longer true.
    rendering: { whole, place: (state) => whole({ ...state, state: undefined }), at: ({ at }) => at },
    log,
  })
}
