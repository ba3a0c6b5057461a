import type { Aggregate } from '../kernel/aggregate.ts'
import { happened, nothing } from '../kernel/decider.ts'
import type { Category } from '../kernel/stream.ts'
import type { ParkingEvent } from './events.ts'

export type DiscardParked = {
  readonly type: 'discard'
  readonly position: string
  readonly event: { readonly category: Category; readonly id: string; readonly version: number }
  readonly row: string
  readonly eventType: string
  readonly reason: string
}
export type NoteRetry = { readonly type: 'noteRetry'; readonly row: string; readonly applied: number; readonly waiting: number }

const nameOf = ({ category, id, version }: DiscardParked['event']): string => `${category}-${id}@${version}`

/** Events that were discarded, by stream and version. */
export type Parking = { readonly discarded: ReadonlySet<string> }

export const parking: Aggregate<DiscardParked | NoteRetry, ParkingEvent, Parking, never> = {
  category: 'projection',
  initial: { discarded: new Set() },
  evolve(state, event) {
    switch (event.type) {
      case 'ParkedEventDiscarded':
        return { discarded: new Set(state.discarded).add(nameOf(event.event)) }
      case 'ParkedEventsRetried':
        return state
      default:
        return event satisfies never
    }
  },
  decide(command, { discarded }) {
    switch (command.type) {
      case 'discard': {
        const { position, event, row, eventType, reason } = command
        return discarded.has(nameOf(event)) ? nothing : happened({ type: 'ParkedEventDiscarded', position, event, row, eventType, reason })
      }
      case 'noteRetry':
        return happened({ type: 'ParkedEventsRetried', row: command.row, applied: command.applied, waiting: command.waiting })
      default:
        return command satisfies never
    }
  },
  subject: (id) => `projection:${id}`,
}
