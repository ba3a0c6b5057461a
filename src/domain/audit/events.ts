import { z } from 'zod'

/** What was looked at or set in motion without any other event telling of it. */
const accesses = [
  /** The raw body of a delivery was opened. */
  'delivery_read',
  /** The log was read with its sealed fields opened. */
  'events_revealed',
  'events_exported',
  'audit_exported',
  /** Everything known of one person was handed out. */
  'subject_exported',
  /** The platform operator looked into the organisation by `X-Tenant`. */
  'operator_entered',
  'deliveries_replayed',
  'process_redriven',
  'projection_rebuilt',
  'projection_aborted',
  'projection_run',
] as const
export type AccessKind = (typeof accesses)[number]

/**
 * Who looked at what. One stream per tenant and day, so that none grows without end. No personal data: ids, filters as they were asked, and never what was seen.
 * The address it came from stands in the envelope (`ip`), sealed.
 */
export const auditEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('AccessRecorded'),
    what: z.enum(accesses),
    /** `GET /v1/deliveries/{id}`, or the command of the CLI. */
    request: z.string(),
    entity: z.object({ type: z.string(), id: z.string() }).optional(),
    filter: z.record(z.string(), z.string()).optional(),
  }),
])
export type AuditEvent = z.infer<typeof auditEvent>
