import type { AllStreamResolvedEvent } from '@eventstore/db-client'
import { start, type Position } from '../../../domain/kernel/position.ts'
import type { Connection } from './connection.ts'
import type { Place } from './follow.ts'
import type { Knowledge } from './knowledge.ts'
import { decode } from './mapping.ts'
import { commitOf, intakeStream, shards } from './packs.ts'
import { unavailable, type Physical } from './physical.ts'
import { scan, ScanBroken } from './scan.ts'

const few = 8
/** A month of an idle server's own statistics is 90,000; so much is read in a tenth of a second. */
const many = 2_000

export type Head = { readonly position: Position; readonly recordedAt: Date | undefined }

/**
 * The last event of ours. The end of the server's log may be anybody's: statistics, metadata, bodies of deliveries, another installation; they are passed
 * backwards, and where the last look began is remembered, so that an idle installation is not read again each time. What is ours and far behind the end is found
 * forwards, where the server leaves out what is not ours: from the last delivery on, which is near the end of any log that is used.
 */
export function createHead({
  connection,
  physical,
  knowledge,
}: {
  connection: Connection
  physical: Pick<Physical, 'backwards' | 'readStream' | 'closing'>
  knowledge: Knowledge
}): () => Promise<Head> {
  let looked = -1n
  let head: Head = { position: start, recordedAt: undefined }

  /** At or after the last delivery; else from the start. */
  async function anchor(): Promise<Place> {
    const lasts = await Promise.all(
      Array.from({ length: shards }, async (_, shard) => physical.readStream(intakeStream(shard), { from: 'end', backwards: true, limit: 1 })),
    )
    const places = lasts.flat().flatMap(({ event }) => event?.position?.commit ?? [])
    if (head.position > start) places.push(commitOf(head.position))
    const commit = places.reduce((last, place) => (place > last ? place : last), -1n)
    return commit < 0n ? 'start' : { commit, prepare: 0n }
  }

  async function forwards(): Promise<Head | undefined> {
    let last: Head | undefined
    try {
      for await (const { found } of scan(connection, { from: await anchor(), skip: start }, { filter: {}, signal: physical.closing, least: 1_000 })) {
        const event = found.at(-1)?.event
        if (event !== undefined) last = { position: event.position, recordedAt: event.recordedAt }
      }
    } catch (error) {
      if (!(error instanceof ScanBroken)) throw error
      connection.failed()
      throw unavailable(error)
    }
    if (physical.closing.aborted) throw unavailable(new Error('the event store is closed'))
    return last
  }

  return async () => {
    let first: bigint | undefined
    let found: Head | undefined
    const known = looked
    let decided = false
    let passed = 0
    const take = (resolved: AllStreamResolvedEvent): boolean => {
      passed++
      const at = resolved.event?.position.commit ?? resolved.commitPosition
      if (at === undefined) return true
      // A read that broke begins again.
      first = first === undefined || at > first ? at : first
      decided = at <= known
      if (decided) return false
      const event = decode(resolved).at(-1)?.event
      if (event === undefined) return true
      found = { position: event.position, recordedAt: event.recordedAt }
      decided = true
      return false
    }
    // Nearly always ours is the last, and the server reads ahead of who does not say how much he wants.
    for (const limit of [few, many]) {
      passed = 0
      await physical.backwards(take, limit)
      // Fewer than asked for: that was the beginning of the log.
      decided ||= passed < limit
      if (decided) break
    }
    if (!decided) found = await forwards()
    if (first !== undefined && first > looked) {
      looked = first
      if (found !== undefined && found.position > head.position) head = found
    }
    if (found !== undefined) knowledge.saw(found.position, found.recordedAt?.getTime())
    return head
  }
}
