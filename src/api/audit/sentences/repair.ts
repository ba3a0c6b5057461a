import type { ParkingEvent } from '../../../domain/parking/events.ts'
import type { ReplayEvent } from '../../../domain/replay/events.ts'
import { because, quoted, type Voice } from './voice.ts'

/** What was decided on events that a read model could not apply. */
export function parkingSentence(event: ParkingEvent, { by }: Voice): string {
  switch (event.type) {
    case 'ParkedEventDiscarded':
      return `${by} discarded a parked event (${event.eventType})${because(event.reason)}`
    case 'ParkedEventsRetried':
      return `${by} had parked events applied again: ${event.applied} were, ${event.waiting} still wait`
    default:
      return event satisfies never
  }
}

export function replaySentence(event: ReplayEvent, { by }: Voice): string {
  switch (event.type) {
    case 'ReplayRequested': {
      const asked = Object.entries(event.filter).flatMap(([name, value]) => (typeof value === 'string' ? [`${name} ${quoted(value)}`] : []))
      return `${by} asked for stuck deliveries to be replayed${asked.length === 0 ? '' : ` (${asked.join(', ')})`}`
    }
    case 'ReplayCancelled':
      return `${by} cancelled a replay`
    case 'ReplayFinished':
      return `A replay ended: ${event.counts.replayed} of ${event.counts.matched} deliveries were replayed, ${event.counts.failed} parts failed`
    default:
      return event satisfies never
  }
}
