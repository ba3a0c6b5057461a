import { z } from 'zod'

/**
 * A name that only one in the whole installation may hold: a tenant's slug, a phone number id, a hook.
 * Its stream lives in the platform tenant and is named by what is claimed, so two holders meet in one stream.
 */
export const claimEvent = z.discriminatedUnion('type', [
  /** `at` tells one who is just about to use it from one who died on the way. */
  z.object({
    type: z.literal('Claimed'),
    kind: z.enum(['slug', 'number']),
    tenantId: z.string(),
    holderId: z.string(),
    at: z.iso.datetime(),
  }),
  z.object({ type: z.literal('ClaimReleased'), tenantId: z.string(), holderId: z.string() }),
])
export type ClaimEvent = z.infer<typeof claimEvent>
