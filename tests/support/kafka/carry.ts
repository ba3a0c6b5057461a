import type { Kafka } from 'kafkajs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { createPlacing } from '../../../src/adapters/kafka/batches.ts'
import { placeOf, recordOf, type Outgoing } from '../../../src/adapters/kafka/record.ts'
import { watermarkStatement } from '../../../src/adapters/kafka/watermark.ts'
import type { RecordedEvent } from '../../../src/domain/kernel/envelope.ts'
import type { Position } from '../../../src/domain/kernel/position.ts'

/** Carries events into a topic by hand, so that a test decides what is there when, and what is said of it. The real publisher is not this obedient. */
export async function carrierTo({ kafka, topic, partitions, pool }: { kafka: Kafka; topic: string; partitions: number; pool: Pool }) {
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: partitions, replicationFactor: 1 }] })
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, transactionalId: `${topic}.carrier`, transactionTimeout: 10_000 })
  await producer.connect()
  const place = createPlacing(partitions)
  const ends = Array.from({ length: partitions }, () => '0')

  async function write(events: readonly RecordedEvent[], render: (event: RecordedEvent) => Outgoing, outcome: 'commit' | 'abort'): Promise<void> {
    if (events.length === 0) return
    const records = events.map((event) => place(render(event)))
    const transaction = await producer.transaction()
    const sent = await transaction.send({ topic, messages: records.map(({ message }) => message) })
    await transaction[outcome]()
    if (outcome === 'abort') return
    for (const { partition, baseOffset } of sent) {
      ends[partition] = String(Number(baseOffset) + records.filter((record) => record.partition === partition).length)
    }
  }

  /** The broker answers a commit before it has marked every partition: until then readers of what is committed do not see all of it. */
  async function settled(): Promise<void> {
    for (;;) {
      const offsets = await admin.fetchTopicOffsets(topic)
      if (offsets.every(({ partition, high }) => Number(high) >= Number(ends[partition]))) return
      await sleep(20)
    }
  }

  return {
    settled,
    ends: (): readonly string[] => [...ends],
    partitionOf: (event: RecordedEvent): number => place(recordOf(event)).partition,
    carry: (events: readonly RecordedEvent[]) => write(events, recordOf, 'commit'),
    /** Their places only, as of events that are too large. */
    carryPlaces: (events: readonly RecordedEvent[]) => write(events, placeOf, 'commit'),
    /** Written, and taken back: what stays are offsets that hold nothing. */
    carryAndAbort: (events: readonly RecordedEvent[]) => write(events, recordOf, 'abort'),
    say: (through: Position) => pool.query({ ...statementOf(topic, through, ends) }),
    async forget(partition: number, before: string): Promise<void> {
      await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: before }] })
    },
    /** Members of a consumer group, by now. */
    async members(group: string): Promise<number> {
      const { groups } = await admin.describeGroups([group])
      return groups[0]?.members.length ?? 0
    },
    async untilMembers(group: string, count: number): Promise<void> {
      while ((await this.members(group)) !== count) await sleep(100)
    },
    async close(): Promise<void> {
      await producer.disconnect()
      await admin.disconnect()
    },
  }
}

function statementOf(topic: string, through: Position, ends: readonly string[]): { name?: string; text: string; values: unknown[] } {
  const { values = [], text } = watermarkStatement({ topic, through, ends })
  return { text, values: [...values] }
}
