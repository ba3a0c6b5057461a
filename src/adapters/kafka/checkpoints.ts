import { randomUUID } from 'node:crypto'
import type { Admin, Kafka } from 'kafkajs'
import { z } from 'zod'
import type { EventAt, Reached } from '../../commands/ports/publication.ts'
import { start, type Position } from '../../domain/kernel/position.ts'
import { pause } from '../../postgres/pause.ts'
import { answered, ended } from './deadline.ts'

/**
 * How far each publication is, written in the same transaction as what it published: `<prefix>.checkpoints`, one partition, compacted, key = topic.
 * `partitions` is what the keys were spread over, `last` the event that `position` stood for: by them it is noticed when the topic or the log is another one.
 */
export type PublicationCheckpoint = Reached & { readonly partitions: number; readonly last: EventAt | undefined }

const stored = z.object({
  position: z.string().transform((text) => text as Position),
  ends: z.array(z.string()),
  partitions: z.number(),
  last: z.object({ position: z.string().transform((text) => text as Position), id: z.string() }).optional(),
})

export const encodeCheckpoint = (checkpoint: PublicationCheckpoint): string => JSON.stringify(checkpoint)

/** The record by which whoever opens a publication knows that it has read to the end: nobody else writes its nonce. */
export const openingKey = (topic: string): string => `opening:${topic}`

const firstLook = 200n

/**
 * The last committed checkpoint of `topic`. Read only after the transactional id was taken over: then nobody can commit another one.
 * Looks at the last records first, and further and further back when they are all of others or of transactions that came to nothing.
 */
export async function lastCheckpoint(
  { kafka, admin, from }: { kafka: Kafka; admin: Admin; from: string },
  topic: string,
  nonce: string,
  signal: AbortSignal,
): Promise<PublicationCheckpoint | undefined> {
  const [ends] = await answered(admin.fetchTopicOffsets(from), 'ends')
  const low = BigInt(ends?.low ?? 0)
  const high = BigInt(ends?.high ?? 0)
  for (let look = firstLook; ; look *= 50n) {
    const at = high - look > low ? high - look : low
    const found = await triedAgain(() => readThrough({ kafka, from, at, signal }, topic, nonce), signal)
    if (found !== undefined || at === low) return found
  }
}

/**
 * kafkajs reads through consumer groups only: one of our own, named anew each time, for a member that was killed a moment ago would hold up everybody in its
 * group. It stores no offset, so the broker forgets it when it is empty.
 */
async function readThrough(
  { kafka, from, at, signal }: { kafka: Kafka; from: string; at: bigint; signal: AbortSignal },
  topic: string,
  nonce: string,
): Promise<PublicationCheckpoint | undefined> {
  const consumer = kafka.consumer({
    groupId: `${from}.${randomUUID()}`,
    maxWaitTimeInMs: 100,
    sessionTimeout: 10_000,
    retry: { retries: 2, restartOnFailure: () => Promise.resolve(false) },
  })
  let last: PublicationCheckpoint | undefined
  const wait = Promise.withResolvers<undefined>()
  const giveUp = AbortSignal.any([signal, AbortSignal.timeout(30_000)])
  giveUp.addEventListener('abort', () => wait.reject(new Error('the checkpoints could not be read in time')), { once: true })
  consumer.on(consumer.events.CRASH, ({ payload }) => wait.reject(payload.error))
  // Whoever leaves before it is awaited must not leave a rejection behind.
  wait.promise.catch(() => undefined)
  consumer.on(consumer.events.GROUP_JOIN, () => consumer.seek({ topic: from, partition: 0, offset: String(at) }))
  try {
    await answered(consumer.connect(), 'connect')
    await answered(consumer.subscribe({ topic: from, fromBeginning: true }), 'subscribe')
    // Returns when the group is joined, which has no limit of its own.
    const joined = consumer.run({
      autoCommit: false,
      eachMessage({ message: { key, value } }) {
        const name = key?.toString()
        if (name === openingKey(topic) && value?.toString() === nonce) wait.resolve(undefined)
        else if (name === topic && value !== null) last = stored.parse(JSON.parse(value.toString())) as PublicationCheckpoint
        return Promise.resolve()
      },
    })
    await answered(joined, 'join')
    await wait.promise
    return last
  } finally {
    await ended(consumer)
  }
}

/** A broker that has only just been started takes connections before it can lead a group. */
async function triedAgain<T>(read: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await read()
    } catch (error) {
      if (tries === 3 || !(await pause(300 * tries, signal))) throw error
    }
  }
}

/** Of a topic that nothing was published to by us yet. */
export const nothingPublished = (ends: readonly string[]): PublicationCheckpoint => ({
  position: start,
  ends,
  partitions: ends.length,
  last: undefined,
})
