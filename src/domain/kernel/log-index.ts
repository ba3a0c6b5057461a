import type { Position } from './position.ts'

/** What operators and rebuilds ask about the log that no stream answers. Sees every tenant: never for what answers a request of one. */
export type LogIndex = {
  /** How many events there are up to a position, of one tenant or of all; counted up to `most` where that is said. */
  readonly eventsOf: (tenantId: string | undefined, through: Position, most?: number) => Promise<number>
  /** Of the last event recorded before a moment, whoever's it is; `start` when there is none. */
  readonly lastBefore: (moment: Date) => Promise<Position>
}
