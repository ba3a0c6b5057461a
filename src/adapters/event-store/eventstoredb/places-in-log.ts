import { positionOf, start, type Position } from '../../../domain/kernel/position.ts'
import { intakePrefix } from './filters.ts'
import type { Place } from './follow.ts'
import { commitOf, mostInPack, nthOf, positionAt } from './packs.ts'
import type { Physical } from './physical.ts'

/** Where to start reading for everything after a position: behind `from`, without what comes up to `skip`. */
export type Origin = { readonly from: Place; readonly skip: Position }

/**
 * Positions from outside. The server reads only from places at which a record begins and has an error for everything in between, but a position may be a
 * checkpoint of ours, one right before an event, within a pack, or anything that a client has sent. Tried in this order:
 * 1. the place that it names (nearly always: it is an event's), the event there included, because a pack may go on behind the position;
 * 2. the farthest place known before it, found by halving in an intake shard, whose events lie all over the log; what lies between is read and left out.
 */
export function createPlacesInLog(physical: Physical): {
  readonly origin: (after: Position) => Promise<Origin>
  /** A place that the server gave: need not be asked for again. */
  readonly remember: (position: Position) => void
} {
  const legal = new Set<Position>([start])
  const mostRemembered = 2_000

  function remember(position: Position): void {
    if (legal.size >= mostRemembered) {
      legal.clear()
      legal.add(start)
    }
    legal.add(position)
  }

  async function anchorBefore(position: bigint): Promise<bigint | undefined> {
    const at = async (revision: bigint): Promise<bigint | undefined> => {
      const [found] = await physical.readStream(`${intakePrefix}0`, { from: revision, limit: 1 })
      return found?.event?.position?.commit
    }
    const [last] = await physical.readStream(`${intakePrefix}0`, { from: 'end', backwards: true, limit: 1 })
    if (last?.event === undefined) return undefined
    let low = -1n
    let best: bigint | undefined
    for (let high = last.event.revision; low < high;) {
      const middle = (low + high + 1n) / 2n
      const found = await at(middle)
      if (found === undefined || found > position) high = middle - 1n
      else {
        low = middle
        best = found
      }
    }
    return best
  }

  return {
    remember,
    async origin(after) {
      if (after === start) return { from: 'start', skip: after }
      // The last number of a place is nobody's: right before whatever comes next.
      const commit = commitOf(after) + (nthOf(after) === mostInPack ? 1n : 0n)
      // As the server's own checkpoints are: behind everything before this place, and before what stands in it.
      const from = { commit, prepare: 0n }
      if (legal.has(after)) return { from, skip: after }
      if (commit <= largest && (await physical.isPlace(from))) {
        remember(after)
        return { from, skip: after }
      }
      const anchor = await anchorBefore(commit)
      return { from: anchor === undefined ? 'start' : { commit: anchor, prepare: 0n }, skip: after }
    },
  }
}

/** Positions are signed on the server. */
const largest = 9_223_372_036_854_775_806n

/** As a position: everything up to here was looked at. A checkpoint between two records says what comes next, so the position is right before that. */
export const lookedThrough = ({ commit, prepare }: { commit: bigint; prepare: bigint }): Position =>
  prepare < commit && commit > 0n ? positionOf(BigInt(positionAt(commit)) - 1n) : positionAt(commit, mostInPack - 1)
