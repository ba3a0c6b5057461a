import { z } from 'zod'

/** Something a person of the tenant should look at. One stream per alert; `key` names the trouble, so the same one open twice is one alert. */
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
  }),
  z.object({ type: z.literal('AlertResolved'), reason: z.string().optional() }),
])
export type AlertEvent = z.infer<typeof alertEvent>
