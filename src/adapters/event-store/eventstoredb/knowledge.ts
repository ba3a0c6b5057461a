import { start, type Position } from '../../../domain/kernel/position.ts'

/** How far this process has seen the log, by whatever way: its own appends, what it read and what it followed. */
export type Knowledge = {
  /** The farthest event of ours that was seen. */
  readonly position: () => Position
  /** The latest time of an event that was seen, in milliseconds. */
  readonly recordedAt: () => number | undefined
  readonly saw: (position: Position, recordedAt?: number) => void
}

export function createKnowledge(): Knowledge {
  let farthest = start
  let latest: number | undefined
  return {
    position: () => farthest,
    recordedAt: () => latest,
    saw(position, recordedAt) {
      if (recordedAt !== undefined && (latest === undefined || recordedAt > latest)) latest = recordedAt
      if (position > farthest) farthest = position
    },
  }
}
