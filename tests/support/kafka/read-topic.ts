import { randomUUID } from 'node:crypto'
import { plainKafka } from './plain-client.ts'

export type TopicRecord = {
  readonly partition: number
  readonly offset: bigint
  readonly key: string
  /** null: a tombstone. */
  readonly value: string | null
  readonly headers: Readonly<Record<string, string>>
}

/**
 * Everything that is committed in a topic, each partition in its order. A mark is put behind it first, by which the end is known: transactions leave
 * offsets that nobody gets to see. So only for a topic that nobody writes to any more.
 */
export async function readTopic(brokers: readonly string[], topic: string): Promise<TopicRecord[]> {
  const kafka = plainKafka(brokers, { retry: { retries: 20, initialRetryTime: 100, maxRetryTime: 1_000 } })
  const admin = kafka.admin()
  await admin.connect()
  const partitions = (await admin.fetchTopicOffsets(topic)).map(({ partition }) => partition)
  await admin.disconnect()
  const mark = `mark:${randomUUID()}`
  const producer = kafka.producer({ idempotent: true, allowAutoTopicCreation: false })
  await producer.connect()
  await producer.send({ topic, messages: partitions.map((partition) => ({ partition, key: mark, value: '' })) })
  await producer.disconnect()

  // By place: a consumer that lost its broker for a moment begins at the start again, and that is no second record.
  const records = new Map<string, TopicRecord>()
  const open = new Set(partitions)
  const consumer = kafka.consumer({ groupId: mark, maxWaitTimeInMs: 50 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await new Promise<void>((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
      if (!restart) reject(error)
    })
    consumer
      .run({
        autoCommit: false,
        eachMessage({ partition, message }) {
          const key = message.key?.toString() ?? ''
          if (key === mark) {
            open.delete(partition)
            if (open.size === 0) resolve()
          } else if (open.has(partition) && !key.startsWith('mark:')) {
            const headers = Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)] as const)
            records.set(`${partition}/${message.offset}`, {
              partition,
              offset: BigInt(message.offset),
              key,
              value: message.value?.toString() ?? null,
              headers: Object.fromEntries(headers),
            })
          }
          return Promise.resolve()
        },
      })
      .catch(reject)
  })
  await consumer.disconnect()
  return [...records.values()].sort((a, b) => a.partition - b.partition || (a.offset < b.offset ? -1 : 1))
}
