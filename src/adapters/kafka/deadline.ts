import { setTimeout as sleep } from 'node:timers/promises'
import { PublicationTrouble } from '../../commands/ports/publication.ts'

/** What a call may take with all its repetitions. A broker answers in milliseconds; one that only holds its connections open never does. */
const answerMs = 20_000
const farewellMs = 3_000
const secondFarewellMs = 60_000

/**
 * The answer of Kafka, or trouble after a while. kafkajs 2.2.4 has a time limit for each request and repeats it up to `retries` times, one limit after the
 * other: before a frozen broker a single `send` takes more than 90 s, and some waits (a group that is never joined, a disconnect) have no limit at all.
 * Whoever meets the deadline opens anew; what the call still does then is shut out by the transactional id, or only reads.
 * @throws PublicationTrouble `away`
 */
export async function answered<T>(call: Promise<T>, what: string, ms = answerMs): Promise<T> {
  const over = new AbortController()
  const late = sleep(ms, undefined, { signal: over.signal }).then(() => {
    throw new PublicationTrouble('away', `Kafka did not answer within ${ms / 1_000} s: ${what}`)
  })
  // The one who loses the race has nobody who listens.
  late.catch(() => undefined)
  call.catch(() => undefined)
  try {
    return await Promise.race([call, late])
  } finally {
    over.abort()
  }
}

/**
 * A connection to a broker that does not answer is left to itself after a moment. What was given up may come through afterwards (a `connect` that is
 * repeated until the broker is thawed) and would leave a connection open that nobody knows: a minute later it is hung up once more.
 */
export async function ended(client: { readonly disconnect: () => Promise<void> }): Promise<void> {
  const farewell = async (): Promise<void> => answered(client.disconnect(), 'disconnect', farewellMs).catch(() => undefined)
  setTimeout(() => void farewell(), secondFarewellMs).unref()
  await farewell()
}
