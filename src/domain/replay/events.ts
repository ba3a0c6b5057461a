import { z } from 'zod'

/** Which stuck deliveries: all conditions hold at once. Nothing personal: error texts are ours or the provider's. */
export const replayFilter = z.object({
  state: z.enum(['failed', 'parked']).optional(),
  /** Received at or after, and before. */
  from: z.iso.datetime().optional(),
  to: z.iso.datetime().optional(),
  /** Meta's id of the number that a part of the delivery is for. */
  phoneNumberId: z.string().optional(),
  /** What could not be applied: `message`, `status` … */
  item: z.string().optional(),
  /** A part of an error's text, in whatever case. */
  error: z.string().optional(),
})
export type ReplayFilter = z.infer<typeof replayFilter>

/** What came of it. `matched` = `replayed` + `unreadable` + `waiting`; items are those of the replayed ones, `failed` those that could not be applied again. */
const replayCounts = z.object({
  matched: z.number(),
  replayed: z.number(),
  unreadable: z.number(),
  waiting: z.number(),
  items: z.number(),
  failed: z.number(),
})
export type ReplayCounts = z.infer<typeof replayCounts>

/** A replay of many deliveries: requested → finished | cancelled. Each delivery notes its own part (DeliveryReplayed). */
export const replayEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('ReplayRequested'),
    filter: replayFilter,
    /** Deliveries per second, at most. */
    rate: z.number(),
  }),
  z.object({ type: z.literal('ReplayCancelled') }),
  z.object({ type: z.literal('ReplayFinished'), counts: replayCounts }),
])
export type ReplayEvent = z.infer<typeof replayEvent>
