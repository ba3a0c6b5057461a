import { randomUUID } from 'node:crypto'
import type { Admin, Kafka, Producer, Transaction } from 'kafkajs'
import type { Logger } from 'pino'
import { PublicationTrouble, type EventAt, type OpenPublication, type Publication, type Reached } from '../../commands/ports/publication.ts'
import { batches, batchOverhead, bytesOf, createPlacing, type Placed } from './batches.ts'
import { answered, ended } from './deadline.ts'
import { encodeCheckpoint, lastCheckpoint, nothingPublished, openingKey, type PublicationCheckpoint } from './checkpoints.ts'
import type { Outgoing } from './record.ts'
import { prepareTopics, type FoundTopic, type Topic } from './topics.ts'
import { troubleOf } from './trouble.ts'

/** How things of one kind become records. */
export type Rendering<Item> = {
  readonly whole: (item: Item) => Outgoing
  /** The record that stands in for one that is too large. */
  readonly place: (item: Item) => Outgoing
  readonly at: (item: Item) => EventAt
}

export type PublicationOptions<Item> = {
  readonly kafka: Kafka
  readonly prefix: string
  readonly topic: Topic
  readonly rendering: Rendering<Item>
  readonly log: Logger
}

/** The broker ends a transaction of one who went away after this, so that readers of what is committed do not wait longer. */
const transactionTimeout = 30_000
const ackWithin = 10_000

const checkpointTopic = (prefix: string): Topic => ({ name: `${prefix}.checkpoints`, keeps: 'the-last-of-each-key', partitions: 1 })
const deadLetterTopic = (prefix: string): Topic => ({ name: `${prefix}.dead-letters`, keeps: 'everything', partitions: 1 })

/**
 * Exactly once into a topic: a page and the checkpoint that says so are one transaction, under a transactional id that never changes.
 *
 * CLOSED → OPENING (id taken over: the broker ends what the predecessor left half done and takes nothing more from it; checkpoint read) → OPEN → (page …) →
 * CLOSED at the first error, whose outcome only the next opening can tell.
 * Invariant: at most one open publication of a topic can commit, and it began at the last committed checkpoint.
 */
export function createKafkaPublication<Item>({ kafka, prefix, topic, rendering, log }: PublicationOptions<Item>): Publication<Item> {
  const checkpoints = checkpointTopic(prefix)
  const deadLetters = deadLetterTopic(prefix)

  async function open(signal: AbortSignal): Promise<OpenPublication<Item>> {
    const admin = kafka.admin({ retry: { retries: 3 } })
    const producer = kafka.producer({
      transactionalId: `${topic.name}.publisher`,
      transactionTimeout,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      // The first request of a transaction is refused while the one before is still being ended: milliseconds. `idempotent: true` would add nothing:
      // what belongs to a transaction is sent with producer id, epoch and sequence anyway.
      retry: { retries: 8, initialRetryTime: 15, maxRetryTime: 500 },
    })
    try {
      await answered(admin.connect(), 'connect')
      const found = (await answered(prepareTopics(admin, [topic, checkpoints, deadLetters], log), 'topics', 60_000)).get(topic.name)
      if (found === undefined) throw new PublicationTrouble('away', `Kafka says nothing about topic ${topic.name}`)
      await answered(producer.connect(), 'connect')
      const nonce = randomUUID()
      await inTransaction(producer, async (send) => {
        await send({ topic: checkpoints.name, messages: [{ key: openingKey(topic.name), value: nonce, partition: 0 }] })
      })
      const known = await lastCheckpoint({ kafka, admin, from: checkpoints.name }, topic.name, nonce, signal)
      const checkpoint = await agreed(admin, known, found)
      return publishing(producer, found, checkpoint)
    } catch (error) {
      await ended(producer)
      throw troubleOf(error)
    } finally {
      await ended(admin)
    }
  }

  /** @throws PublicationTrouble when the topic is not the one that the checkpoint speaks of. */
  async function agreed(admin: Admin, known: PublicationCheckpoint | undefined, found: FoundTopic): Promise<PublicationCheckpoint> {
    const ends = Array.from({ length: found.partitions }, () => '0')
    for (const { partition, high } of await answered(admin.fetchTopicOffsets(topic.name), 'ends')) ends[partition] = high
    if (known === undefined) return nothingPublished(ends)
    if (known.partitions !== found.partitions) {
      const text = `Kafka topic ${topic.name} had ${known.partitions} partitions and has ${found.partitions}: events of one stream would end up in two of them, out of order.`
      throw new PublicationTrouble('unfit', `${text} Choose another KAFKA_TOPIC_PREFIX, which publishes everything again.`)
    }
    if (known.ends.some((end, partition) => BigInt(end) > BigInt(ends[partition] ?? 0))) {
      const text = `Kafka topic ${topic.name} ends before what was published to it: it was emptied, or its brokers lost acknowledged events.`
      throw new PublicationTrouble('unfit', `${text} Choose another KAFKA_TOPIC_PREFIX, which publishes everything again.`)
    }
    return known
  }

  function publishing(producer: Producer, { partitions, maxMessageBytes }: FoundTopic, opened: PublicationCheckpoint): OpenPublication<Item> {
    const place = createPlacing(partitions)
    let now = opened

    function render(items: readonly Item[], placesOnly: boolean): { records: Placed[]; dead: Outgoing[] } {
      const dead: Outgoing[] = []
      const records = items.map((item) => {
        const whole = rendering.whole(item)
        const bytes = bytesOf(whole)
        if (!placesOnly && bytes + batchOverhead <= maxMessageBytes) return place(whole)
        const { position, id } = rendering.at(item)
        const reason = placesOnly ? 'refused' : 'too_large'
        log.warn({ topic: topic.name, position, bytes, reason }, 'what Kafka does not take is published as its place only')
        dead.push({ ...whole, value: Buffer.from(JSON.stringify({ topic: topic.name, reason, bytes, position, event_id: id })) })
        return place(rendering.place(item))
      })
      return { records, dead }
    }

    async function publish(items: readonly Item[], through: Reached['position'], placesOnly: boolean): Promise<Reached> {
      const last = items.at(-1)
      // Nothing to say is not said: there is no event up to `through` that a reader would miss.
      if (last === undefined) return (now = { ...now, position: through })
      const { records, dead } = render(items, placesOnly)
      const ends = [...now.ends]
      const next = await inTransaction(producer, async (send) => {
        for (const batch of onePartitionEach(batches(records, maxMessageBytes))) {
          const [first] = batch
          const sent = await send({ topic: topic.name, messages: batch.map(({ message }) => message) })
          if (first !== undefined) ends[first.partition] = String(BigInt(sent[0]?.baseOffset ?? 0) + BigInt(batch.length))
        }
        const checkpoint: PublicationCheckpoint = { position: through, ends, partitions, last: rendering.at(last) }
        const said = [{ key: topic.name, value: encodeCheckpoint(checkpoint), partition: 0 }]
        const refused = dead.map(({ headers, ...message }) => ({ ...message, headers: { ...headers }, partition: 0 }))
        await send({ topic: checkpoints.name, messages: said })
        if (refused.length > 0) await send({ topic: deadLetters.name, messages: refused })
        return checkpoint
      })
      return (now = next)
    }

    return {
      get reached() {
        return now
      },
      get last() {
        return now.last
      },
      async publish(items, through, { placesOnly = false } = {}) {
        try {
          return await publish(items, through, placesOnly)
        } catch (error) {
          await ended(producer)
          throw troubleOf(error)
        }
      },
      close: () => ended(producer),
    }
  }

  return { name: topic.name, open }
}

/**
 * A request to one partition has one broker. One to several brokers is not repeated safely by kafkajs 2.2.4: when one of them fails (or its partition could
 * not join the transaction yet), the others are sent again while their first request is still under way, under new sequence numbers. With one of three
 * brokers killed at a time a few hundred records were there twice, inside a committed transaction. Alone, a request is repeated under its own number, and
 * the broker knows it. One after the other, because two partitions that join a transaction at the same moment are in each other's way.
 */
function* onePartitionEach(cut: readonly (readonly Placed[])[]): Generator<readonly Placed[]> {
  for (const batch of cut) yield* Map.groupBy(batch, ({ partition }) => partition).values()
}

/** Not aborted on an error: the next opening does that and is needed anyway, for only it can tell how a commit ended that nobody answered. */
async function inTransaction<T>(producer: Producer, work: (send: Transaction['send']) => Promise<T>): Promise<T> {
  const transaction = await answered(producer.transaction(), 'transaction')
  const result = await work((record) => answered(transaction.send({ ...record, timeout: ackWithin }), 'send'))
  await answered(transaction.commit(), 'commit')
  return result
}
