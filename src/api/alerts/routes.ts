import { z } from 'zod'
import type { ResolveAlert } from '../../commands/alerts/alerts.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { getAlert, listAlerts } from '../../projections/alerts/queries.ts'
import { ok } from '../http/call.ts'
import { idParams, line } from '../http/fields.ts'
import type { ReadAfter } from '../http/idempotency.ts'
import { pageOf, paging } from '../http/paging.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import { settled } from '../http/settled.ts'
import { listed } from '../messages/listed.ts'
import { alertSchema, renderAlert } from './alerts.ts'

export type AlertRoutesDeps = { readonly reader: TenantQueries; readonly readAfter: ReadAfter; readonly resolveAlert: ResolveAlert }

const tag = 'Alerts'
const reads = ['alerts']
const shownWithinMs = 2_000

export const alertRoutes = ({ reader, readAfter, resolveAlert }: AlertRoutesDeps): readonly Route[] => [
  route({
    method: 'get',
    path: '/v1/alerts',
    tag,
    access: 'alerts:read',
    summary: 'What somebody should look at, last raised first',
    query: z.object({ ...paging, status: alertSchema.shape.status.optional(), code: z.string().max(100).optional() }),
    reads,
    responses: { 200: { description: 'A page of alerts', schema: pageOf(alertSchema) } },
    handle: ({ tenantId, query }) => listed(listAlerts(reader, tenantId, query), (rows) => rows.map(renderAlert)),
  }),
  route({
    method: 'get',
    path: '/v1/alerts/{id}',
    tag,
    access: 'alerts:read',
    summary: 'Read an alert',
    params: idParams,
    reads,
    responses: { 200: { description: 'The alert', schema: alertSchema } },
    async handle({ tenantId, params }) {
      const row = await getAlert(reader, tenantId, params.id)
      if (row === undefined) throw problem('not_found')
      return ok(renderAlert(row), { version: row.version })
    },
  }),
  route({
    method: 'post',
    path: '/v1/alerts/{id}/resolve',
    tag,
    access: 'alerts:write',
    summary: 'Say that it is dealt with',
    description: 'The alert opens again when the trouble comes back.',
    params: idParams,
    body: z.strictObject({ reason: line(500).optional() }),
    bodyOptional: true,
    responses: {
      200: { description: 'The alert as it is now', schema: alertSchema },
      202: { description: 'Resolved; the list is a moment behind', schema: z.object({ id: z.string() }) },
    },
    problems: ['precondition_failed'],
    async handle({ params, body, tenantId, context, ifVersion }) {
      const { position } = settled(await resolveAlert({ alertId: params.id, reason: body.reason, ifVersion }, context))
      const row = (await readAfter(reads, position, shownWithinMs)) ? await getAlert(reader, tenantId, params.id) : undefined
      if (row === undefined) return { status: 202, body: { id: params.id }, position }
      return ok(renderAlert(row), { position, version: row.version })
    },
  }),
]
