import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { sharedKafka } from '../../../tests/support/kafka/kafka-server.ts'
import { readTopic } from '../../../tests/support/kafka/read-topic.ts'
import type { EntityState } from '../../commands/ports/publication.ts'
import { positionOf } from '../../domain/kernel/position.ts'
import { createKafka } from './client.ts'
import { createStatesPublication } from './states-publication.ts'

const shared = await sharedKafka()
const brokers = shared?.brokers ?? []
const log = pino({ level: 'silent' })

describe.skipIf(shared === undefined)('the state of contacts in Kafka', () => {
  it('is their last one under their key, and a tombstone when they are no more', async () => {
    const prefix = `states-${randomUUID()}`
    const publication = createStatesPublication({
      kafka: createKafka({ brokers, tls: false, sasl: undefined, clientId: 'test', log }),
      prefix,
      partitions: 3,
      log,
      name: 'contacts',
      type: 'contact.state',
    })
    const tenantId = randomUUID()
    const contact = (id: string, position: number, state: EntityState['state']): EntityState => ({
      tenantId,
      id,
      state,
      shape: 2,
      at: { position: positionOf(position), id: randomUUID() },
    })
    const open = await publication.open(new AbortController().signal)
    await open.publish([contact('maria', 1, { version: 1 }), contact('jose', 2, { version: 1 })], positionOf(2))
    await open.publish([contact('maria', 3, { version: 2 })], positionOf(3))
    // Too large to be said: nothing is better than what is no longer true.
    await open.publish([contact('jose', 4, undefined), contact('ana', 5, { notes: 'x'.repeat(2_000_000) })], positionOf(5))
    await open.close()

    const records = await readTopic(brokers, `${prefix}.contacts`)
    const last = new Map(records.map((record) => [record.key, record.value]))
    expect(Object.fromEntries(last)).toEqual({ [`${tenantId}/maria`]: '{"version":2}', [`${tenantId}/jose`]: null, [`${tenantId}/ana`]: null })
    expect(records.find(({ key }) => key.endsWith('maria'))?.headers).toMatchObject({
      ce_type: 'contact.state',
      ce_subject: 'maria',
      ce_tenant: tenantId,
      ce_schemaversion: '2',
    })
    expect(await readTopic(brokers, `${prefix}.dead-letters`)).toHaveLength(1)
  })
})
