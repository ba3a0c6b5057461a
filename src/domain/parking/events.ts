import { z } from 'zod'
import { categories } from '../kernel/stream.ts'

/** What people did about events that a read model could not apply. One stream per read model and tenant; its id is the read model's name. */
export const parkingEvent = z.discriminatedUnion('type', [
  /**
   * The event is left out of the row, by every version of the read model and for good; those behind it went on. `position` is where it stood in the log of
   * that day; stream and version are its place on every engine.
   */
  z.object({
    type: z.literal('ParkedEventDiscarded'),
    position: z.string(),
    event: z.object({ category: z.enum(categories), id: z.string(), version: z.number() }),
    row: z.string(),
    eventType: z.string(),
    reason: z.string(),
  }),
  /** The parked events of a row were tried again: so many of them were applied, so many still wait. */
  z.object({ type: z.literal('ParkedEventsRetried'), row: z.string(), applied: z.number(), waiting: z.number() }),
])
export type ParkingEvent = z.infer<typeof parkingEvent>
