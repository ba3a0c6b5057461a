import { z } from 'zod'

/**
 * Something a person of the tenant should look at. One stream per alert; `key` names the trouble, so the same one open twice is one alert.
 * `at` is when it happened, which for the provider's news is not when it came: the later of the last raise and the last resolution is what holds.
 */
export const alertEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('AlertRaised'),
    key: z.string(),
    severity: z.enum(['critical', 'warning', 'info']),
    /** Stable and documented, such as `channel_credentials` or `template_rejected`. */
    code: z.string(),
    title: z.string(),
    detail: z.string().optional(),
    entity: z.object({ type: z.string(), id: z.string() }).optional(),
    at: z.iso.datetime(),
  }),
  z.object({ type: z.literal('AlertResolved'), reason: z.string().optional(), at: z.iso.datetime() }),
])
export type AlertEvent = z.infer<typeof alertEvent>
