import { z } from 'zod'
import type { AlertView } from '../../projections/alerts/queries.ts'
import { time } from '../http/fields.ts'

export const alertSchema = z
  .object({
    id: z.string(),
    code: z.string().meta({ description: 'Stable; listed in docs/reference/alerts.md' }),
    severity: z.enum(['critical', 'warning', 'info']),
    status: z.enum(['open', 'resolved']),
    title: z.string(),
    detail: z.string().optional(),
    entity: z.object({ type: z.string(), id: z.string() }).optional().meta({ description: 'What it is about, such as a channel' }),
    first_raised_at: time,
    raised_at: time.meta({ description: 'When it was raised last' }),
    resolved_at: time.optional(),
    resolved_by: z.object({ kind: z.string(), id: z.string(), name: z.string().optional() }).optional(),
    reason: z.string().optional().meta({ description: 'Why it is resolved' }),
    version: z.int(),
  })
  .meta({ id: 'Alert' })
export type AlertBody = z.infer<typeof alertSchema>

export function renderAlert(row: AlertView): AlertBody {
  const resolved = row.status === 'resolved'
  return {
    id: row.id,
    code: row.code,
    severity: row.severity as AlertBody['severity'],
    status: resolved ? 'resolved' : 'open',
    title: row.title,
    ...(row.detail === null ? {} : { detail: row.detail }),
    ...(row.entity === null ? {} : { entity: row.entity }),
    first_raised_at: (row.firstRaisedAt ?? new Date(0)).toISOString(),
    raised_at: (row.raisedAt ?? new Date(0)).toISOString(),
    ...(resolved && row.resolvedAt !== null ? { resolved_at: row.resolvedAt.toISOString() } : {}),
    ...(resolved && row.resolvedBy !== null ? { resolved_by: row.resolvedBy } : {}),
    ...(resolved && row.reason !== null ? { reason: row.reason } : {}),
    version: row.version,
  }
}
