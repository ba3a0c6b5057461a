import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { later, start, type Position } from '../../domain/kernel/position.ts'
import type { Watermark } from './watermark.ts'

/** A record that concerns the follower. Its event is read from the log when the record only keeps its place. */
export type Found = { readonly offset: number; readonly position: Position; readonly event: RecordedEvent | undefined }

export type Merged = {
  readonly found: readonly Found[]
  readonly through: Position
  /** By partition: from here on, whatever comes after `through` is still to come. */
  readonly offsets: readonly number[]
}

/**
 * Puts the partitions of a topic back into the log's order. Pure.
 * A partition is COMPLETE up to the position of its last record that was fetched, and up to a watermark once everything in front of its end was fetched.
 * Invariant: what is handed out is at or before the least such position of all partitions, in order of positions, none twice; so a page of it means the same
 * as a page of the log.
 */
export type Merge = {
  /** Records of one partition in order of offsets, and the offset behind the last one that was looked at. What was seen before is left out. */
  readonly fetched: (partition: number, found: readonly Found[], next: number, last: Position | undefined) => void
  readonly published: (watermark: Watermark) => void
  /** The next page, or undefined when nothing more is certain. */
  readonly take: (limit: number) => Merged | undefined
  /** The offset that is to be fetched next. */
  readonly next: (partition: number) => number
  /** How many records of a partition wait for others. */
  readonly waiting: (partition: number) => number
  /** At the end of what is known to be published. */
  readonly atTheTip: () => boolean
}

type Partition = { next: number; complete: Position; waiting: Found[] }
type Ready = Found & { readonly partition: number }

export function createMerge({ after, offsets }: { after: Position; offsets: readonly number[] }): Merge {
  const partitions: Partition[] = offsets.map((next) => ({ next, complete: after, waiting: [] }))
  let ready: Ready[] = []
  let readyThrough = after
  let through = after
  let tip: Watermark = { through: start, ends: [] }

  function partitionOf(partition: number): Partition {
    while (partitions.length <= partition) partitions.push({ next: 0, complete: through, waiting: [] })
    return partitions[partition] as Partition
  }

  /** Nothing at or before it is still to come. */
  function certain(): Position {
    let least: Position | undefined
    for (const { complete } of partitions) if (least === undefined || complete < least) least = complete
    return least ?? through
  }

  /** Only when all that was released before is handed out: what waits is counted, and whoever fetches faster than it is taken has to stop. */
  function release(): void {
    readyThrough = later(readyThrough, certain())
    for (const [partition, { waiting }] of partitions.entries()) {
      let count = 0
      while (count < waiting.length && (waiting[count] as Found).position <= readyThrough) count++
      for (const one of waiting.splice(0, count)) ready.push({ ...one, partition })
    }
    ready.sort((a, b) => (a.position < b.position ? -1 : 1))
  }

  function offsetsBehind(): number[] {
    const behind = partitions.map(({ next, waiting }) => waiting[0]?.offset ?? next)
    for (const { partition, offset } of ready.toReversed()) behind[partition] = offset
    return behind
  }

  return {
    fetched(partition, found, next, last) {
      const mine = partitionOf(partition)
      if (next <= mine.next) return
      let newest = mine.waiting.at(-1)?.position ?? mine.complete
      for (const one of found) {
        if (one.offset < mine.next || one.position <= newest) continue
        mine.waiting.push(one)
        newest = one.position
      }
      mine.next = next
      if (last !== undefined) mine.complete = later(mine.complete, last)
      if (next >= (tip.ends[partition] ?? 0)) mine.complete = later(mine.complete, tip.through)
    },
    published(watermark) {
      if (watermark.through < tip.through) return
      tip = watermark
      if (watermark.ends.length > 0) partitionOf(watermark.ends.length - 1)
      for (const [partition, mine] of partitions.entries()) {
        if (mine.next >= (watermark.ends[partition] ?? 0)) mine.complete = later(mine.complete, watermark.through)
      }
    },
    take(limit) {
      if (ready.length === 0) release()
      if (ready.length === 0 && readyThrough <= through) return undefined
      const found = ready.slice(0, limit)
      ready = ready.slice(limit)
      through = ready.length === 0 ? readyThrough : (found.at(-1) as Ready).position
      return { found, through, offsets: offsetsBehind() }
    },
    next: (partition) => partitionOf(partition).next,
    waiting: (partition) => partitionOf(partition).waiting.length,
    atTheTip: () => ready.length === 0 && through >= tip.through,
  }
}
