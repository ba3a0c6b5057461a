import type { EachBatchPayload, Kafka, KafkaMessage } from 'kafkajs'
import { setTimeout as sleep } from 'node:timers/promises'
import { answered, ended as farewell } from './deadline.ts'

/** Records that were to be read are gone (retention, a topic made anew): the follower has to go back to the log. */
export class RecordsLost extends Error {
  override readonly name = 'RecordsLost'
}

export type TopicConsumer = {
  /** Partitions that were full have room again. */
  readonly resume: () => void
  /** Leaves the group. Resolves when it has. */
  readonly stop: () => Promise<void>
}

export type ConsumeTopic = {
  readonly kafka: Kafka
  readonly topic: string
  readonly group: string
  /** The offset to be fetched next: kept by the caller, never by Kafka. */
  readonly next: (partition: number) => number
  readonly take: (partition: number, records: readonly KafkaMessage[], next: number) => void
  /** Nothing more of this partition for now. */
  readonly isFull: (partition: number) => boolean
  /** It has ended: nothing more is taken. */
  readonly onFailure: (error: unknown) => void
}

const sessionMs = 10_000
const joinMs = 40_000
const leaveMs = 5_000
/** What comes in ones and twos is fetched together: without it every event is a request of every read model. */
const gatherMs = 15

/**
 * A member of a consumer group that reads every partition it is assigned from the caller's own offsets: JOINING → READING ⇄ REBALANCING → LEFT | FAILED.
 * Invariant: `take` gets each partition's records in order, none twice and none left out, whatever the group does: what was fetched from another place than
 * `next` (kafkajs begins at the start of the topic between a join and the seek, and again after an offset out of range) is thrown away or ends it.
 */
export function consumeTopic({ kafka, topic, group, next, take, isFull, onFailure }: ConsumeTopic): TopicConsumer {
  const consumer = kafka.consumer({
    groupId: group,
    sessionTimeout: sessionMs,
    rebalanceTimeout: sessionMs,
    heartbeatInterval: sessionMs / 5,
    // A fetch in flight is waited for when it stops, and a partition that was full is looked at this often.
    maxWaitTimeInMs: 250,
    maxBytesPerPartition: 512 * 1_024,
    maxBytes: 4 * 1_024 * 1_024,
    allowAutoTopicCreation: false,
    // Without its own restart: the follower begins again from its checkpoint, and says it once.
    retry: { retries: 5, initialRetryTime: 100, maxRetryTime: 2_000, restartOnFailure: () => Promise.resolve(false) },
  })
  let ended = false
  const paused = new Set<number>()

  function fail(error: unknown): void {
    if (ended) return
    ended = true
    onFailure(error)
  }

  function seek(partition: number): void {
    consumer.seek({ topic, partition, offset: String(next(partition)) })
  }

  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    // Before its first fetch: kafkajs would read from where the group committed, which it never does.
    for (const partition of payload.memberAssignment[topic] ?? []) seek(partition)
  })
  consumer.on(consumer.events.CRASH, ({ payload }) => fail(payload.error))
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { partition, batchSize, lastOffset } }) => {
    // Control records and aborted transactions alone are no batch for `eachBatch`; a partition that ends with them is complete all the same.
    if (batchSize === 0) void arrived(partition, [], Number(lastOffset), Number(lastOffset)).catch(fail)
  })

  async function arrived(partition: number, records: readonly KafkaMessage[], first: number, last: number): Promise<boolean> {
    const expected = next(partition)
    if (ended) return false
    if (last < expected) return records.length === 0
    if (first > expected && (await earliest(partition)) > expected)
      throw new RecordsLost(`${topic}/${partition} has lost the records from offset ${expected} on`)
    // While it was asked the group may have moved on.
    if (next(partition) !== expected) return false
    take(
      partition,
      records.filter(({ offset }) => Number(offset) >= expected),
      last + 1,
    )
    return true
  }

  async function earliest(partition: number): Promise<number> {
    const admin = kafka.admin()
    try {
      await answered(admin.connect(), 'connect')
      return Number((await answered(admin.fetchTopicOffsets(topic), 'ends')).find((one) => one.partition === partition)?.low ?? 0)
    } finally {
      await farewell(admin)
    }
  }

  async function eachBatch(payload: EachBatchPayload): Promise<void> {
    const { partition, messages } = payload.batch
    if (ended || !payload.isRunning() || payload.isStale()) return
    try {
      if (!(await arrived(partition, messages, Number(payload.batch.firstOffset()), Number(payload.batch.lastOffset())))) return seek(partition)
    } catch (error) {
      return fail(error)
    }
    payload.resolveOffset(messages.at(-1)?.offset ?? payload.batch.lastOffset())
    if (isFull(partition)) {
      payload.pause()
      paused.add(partition)
    }
    if (messages.length < 100) await sleep(gatherMs)
  }

  let joining: Promise<void> = Promise.resolve()

  async function run(): Promise<void> {
    await answered(consumer.connect(), 'connect')
    await answered(consumer.subscribe({ topics: [topic], fromBeginning: true }), 'subscribe')
    if (ended) return
    // Returns when the group is joined, which has no limit of its own.
    joining = consumer.run({ autoCommit: false, eachBatchAutoResolve: false, partitionsConsumedConcurrently: 16, eachBatch })
    await answered(joining, 'join', joinMs)
  }
  const running = run().catch(fail)

  return {
    resume() {
      const roomy = [...paused].filter((partition) => !isFull(partition))
      if (roomy.length === 0) return
      for (const partition of roomy) paused.delete(partition)
      consumer.resume([{ topic, partitions: roomy }])
    },
    async stop() {
      ended = true
      // Told to leave while it joins, kafkajs would go on as a member that nobody stops: then it is told once more when it has joined after all.
      await answered(running, 'leave', leaveMs).catch(() => undefined)
      await farewell(consumer)
      void Promise.allSettled([running, joining]).then(async () => farewell(consumer))
    },
  }
}
