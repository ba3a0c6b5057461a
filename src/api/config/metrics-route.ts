import { z } from 'zod'
import type { Directory } from '../../commands/directory/directory.ts'
import type { Clock } from '../../domain/kernel/clock.ts'
import { platformTenant } from '../../domain/kernel/stream.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import type { OperatorQueries } from '../../projections/engine/operator.ts'
import { countTenants } from '../../projections/tenants/queries.ts'
import { usageAcross, usageOf } from '../../projections/usage/queries.ts'
import { ok } from '../http/call.ts'
import { route, type Route } from '../http/route.ts'

export type MetricsRouteDeps = {
  readonly queries: TenantQueries
  readonly acrossTenants: OperatorQueries
  readonly directory: Pick<Directory, 'channelsOf' | 'allChannels'>
  readonly clock: Clock
}

const count = z.int()
const metricsSchema = z
  .object({
    day: z.iso.date().meta({ description: 'The day (UTC) that the counts are of, so far' }),
    channels: z.object({ total: count, connected: count, degraded: count, disconnected: count }),
    messages: z.object({
      received_today: count,
      queued_today: count,
      sent_today: count.meta({ description: 'Accepted by the provider' }),
      failed_today: count,
      unknown_today: count.meta({ description: 'The answer of the provider was lost' }),
    }),
    api_calls_today: count.meta({ description: 'Calls to the provider that sent a message, or tried to' }),
    error_rate: z.number().nullable().meta({ description: 'Failed of those that were settled today; null when none was' }),
    active_tenants: count.optional().meta({ description: 'For the platform operator' }),
  })
  .meta({ id: 'WhatsAppMetrics' })

/** `GET /api/whatsapp/metrics` of the migration plan: an organisation sees its own figures; the operator those of the tenant it names, or of all of them. */
export const metricsRoute = ({ queries, acrossTenants, directory, clock }: MetricsRouteDeps): Route =>
  route({
    method: 'get',
    path: '/api/whatsapp/metrics',
    tag: 'Configuration',
    access: 'channels:read',
    platform: true,
    summary: 'How much goes through, and how well',
    reads: ['usage'],
    responses: { 200: { description: 'Figures of today', schema: metricsSchema } },
    async handle({ tenantId, principal }) {
      const day = clock().toISOString().slice(0, 10)
      const all = principal.kind === 'operator' && tenantId === platformTenant
      const channels = all ? directory.allChannels() : directory.channelsOf(tenantId)
      const usage = all ? await usageAcross(acrossTenants, day) : await usageOf(queries, tenantId, day)
      const settled = usage.accepted + usage.failed
      const being = (...statuses: readonly string[]): number => channels.filter(({ status }) => statuses.includes(status)).length
      return ok({
        day,
        channels: { total: channels.length, connected: being('connected'), degraded: being('degraded'), disconnected: being('disconnected') },
        messages: {
          received_today: usage.received,
          queued_today: usage.queued,
          sent_today: usage.accepted,
          failed_today: usage.failed,
          unknown_today: usage.unknown,
        },
        api_calls_today: usage.attempted,
        error_rate: settled === 0 ? null : Math.round((usage.failed / settled) * 10_000) / 10_000,
        ...(principal.kind === 'operator' ? { active_tenants: await countTenants(acrossTenants, 'active') } : {}),
      })
    },
  })
