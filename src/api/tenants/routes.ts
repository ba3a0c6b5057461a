import { z } from 'zod'
import type { CreateTenant } from '../../commands/tenants/create-tenant.ts'
import type { GovernTenant } from '../../commands/tenants/govern-tenant.ts'
import type { OperatorQueries } from '../../projections/engine/operator.ts'
import { getTenant, listTenants } from '../../projections/tenants/queries.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { created, ok, type Answer, type Call } from '../http/call.ts'
import { idParams } from '../http/fields.ts'
import type { ReadAfter } from '../http/idempotency.ts'
import { listBody, pageOf, paging } from '../http/paging.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import { settled } from '../http/settled.ts'
import { renderDecided, renderTenant } from './render.ts'
import { adminSchema, issuedKey, newTenant, ownTenantPatch, reasonBody, tenantPatch, tenantSchema } from './schema.ts'

export type TenantRoutesDeps = {
  readonly queries: TenantQueries
  /** Over all tenants: used by routes of the operator only. */
  readonly acrossTenants: OperatorQueries
  readonly createTenant: CreateTenant
  readonly governTenant: GovernTenant
  readonly readAfter: ReadAfter
}

const tag = 'Tenants'
const one = { 200: { description: 'The organisation', schema: tenantSchema } }
const reads = ['tenants']
const shownWithinMs = 2_000

export function tenantRoutes({ queries, acrossTenants, createTenant, governTenant, readAfter }: TenantRoutesDeps): readonly Route[] {
  const show = async (tenantId: string): Promise<Answer> => {
    const row = await getTenant(queries, tenantId)
    if (row === undefined) throw problem('not_found')
    return ok(renderTenant(row), { version: row.version })
  }

  async function govern(call: Call<unknown, unknown, unknown>, tenantId: string, wish: Parameters<GovernTenant>[0]['wish']): Promise<Answer> {
    const { position, version, tenant } = settled(await governTenant({ tenantId, wish, ifVersion: call.ifVersion }, call.context))
    const row = (await readAfter(reads, position, shownWithinMs)) ? await getTenant(queries, tenantId) : undefined
    const body = row === undefined ? renderDecided(tenantId, tenant, version, call.context.at) : renderTenant(row)
    return ok(body, { position, version: body.version })
  }

  const turn = (wish: 'suspend' | 'resume' | 'close', summary: string): Route =>
    route({
      method: 'post',
      path: `/v1/tenants/{id}/${wish}`,
      tag,
      access: 'operator',
      summary,
      params: idParams,
      body: reasonBody,
      bodyOptional: true,
      responses: one,
      problems: ['tenant_closed', 'precondition_failed'],
      handle: (call) => govern(call, call.params.id, wish === 'resume' ? { type: wish } : { type: wish, reason: call.body.reason }),
    })

  return [
    route({
      method: 'post',
      path: '/v1/tenants',
      tag,
      access: 'operator',
      body: newTenant,
      problems: ['slug_taken'],
      summary: 'Create an organisation with its first API key',
      description: 'The key is shown once: in this answer, and in repeats of it under the same Idempotency-Key.',
      responses: {
        201: { description: 'Created', schema: z.object({ tenant: tenantSchema, admin: adminSchema.optional(), api_key: issuedKey }) },
      },
      async handle({ body, context }) {
        const made = settled(await createTenant(body, context))
        return created(
          {
            tenant: renderDecided(made.tenantId, made.tenant, made.version, context.at),
            ...(made.admin === undefined ? {} : { admin: made.admin }),
            api_key: made.apiKey,
          },
          { position: made.position, version: made.version, location: `/v1/tenants/${made.tenantId}` },
        )
      },
    }),
    route({
      method: 'get',
      path: '/v1/tenants',
      tag,
      access: 'operator',
      summary: 'List organisations, oldest first',
      reads,
      query: z.object({ ...paging, status: tenantSchema.shape.status.optional() }),
      responses: { 200: { description: 'Organisations', schema: pageOf(tenantSchema) } },
      handle: async ({ query }) => ok(listBody(await listTenants(acrossTenants, query), renderTenant)),
    }),
    route({
      method: 'get',
      path: '/v1/tenants/{id}',
      tag,
      access: 'operator',
      summary: 'Read an organisation',
      params: idParams,
      responses: one,
      reads,
      handle: ({ params }) => show(params.id),
    }),
    route({
      method: 'patch',
      path: '/v1/tenants/{id}',
      tag,
      access: 'operator',
      summary: 'Change an organisation',
      params: idParams,
      body: tenantPatch,
      responses: one,
      problems: ['tenant_closed', 'precondition_failed'],
      handle: (call) => govern(call, call.params.id, { type: 'change', ...call.body }),
    }),
    turn('suspend', 'Suspend an organisation: it can read, but not change anything'),
    turn('resume', 'Resume a suspended organisation'),
    turn('close', 'Close an organisation for good; its numbers become free'),
    route({
      method: 'get',
      path: '/v1/tenant',
      tag,
      access: 'tenant:read',
      summary: 'Read the own organisation',
      responses: one,
      reads,
      handle: ({ tenantId }) => show(tenantId),
    }),
    route({
      method: 'patch',
      path: '/v1/tenant',
      tag,
      access: 'tenant:write',
      summary: 'Change the own organisation and its settings',
      body: ownTenantPatch,
      responses: one,
      problems: ['tenant_closed', 'precondition_failed'],
      handle: (call) => govern(call, call.tenantId, { type: 'change', ...call.body }),
    }),
  ]
}
