import { z } from 'zod'
import type { Directory } from '../../commands/directory/directory.ts'
import type { IssueApiKey, RevokeApiKey } from '../../commands/tenants/api-keys.ts'
import { platformTenant } from '../../domain/kernel/stream.ts'
import { covers } from '../../domain/tenant/keys.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { getApiKey, listApiKeys } from '../../projections/apiKeys/queries.ts'
import { created, noContent, ok } from '../http/call.ts'
import { idParams } from '../http/fields.ts'
import { listBody, pageOf, paging } from '../http/paging.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import { settled } from '../http/settled.ts'
import { renderApiKey } from './render.ts'
import { apiKeySchema, issuedKey, newApiKey } from './schema.ts'

export type KeyRoutesDeps = {
  readonly queries: TenantQueries
  readonly directory: Pick<Directory, 'tenantOf'>
  readonly issueApiKey: IssueApiKey
  readonly revokeApiKey: RevokeApiKey
}

const tag = 'API keys'
const reads = ['apiKeys']

const meSchema = z.object({
  kind: z.enum(['key', 'operator']),
  actor: z.object({ kind: z.string(), id: z.string(), name: z.string().optional() }),
  scopes: z.array(z.string()),
  tenant: z.object({ id: z.string(), slug: z.string(), name: z.string(), status: z.string() }).nullable(),
})

export function keyRoutes({ queries, directory, issueApiKey, revokeApiKey }: KeyRoutesDeps): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/v1/me',
      tag,
      access: 'authenticated',
      summary: 'Who the credential is',
      responses: { 200: { description: 'The caller', schema: meSchema } },
      handle({ principal }) {
        const tenant = principal.tenantId === platformTenant ? undefined : directory.tenantOf(principal.tenantId)
        return ok({
          kind: principal.kind,
          actor: principal.actor,
          scopes: principal.scopes,
          tenant: tenant === undefined ? null : { id: tenant.tenantId, slug: tenant.slug, name: tenant.name, status: tenant.status },
        })
      },
    }),
    route({
      method: 'get',
      path: '/v1/api-keys',
      tag,
      access: 'keys:read',
      summary: 'List API keys, revoked ones among them',
      reads,
      query: z.object(paging),
      responses: { 200: { description: 'Keys without their secrets', schema: pageOf(apiKeySchema) } },
      handle: async ({ tenantId, query }) => ok(listBody(await listApiKeys(queries, tenantId, query), renderApiKey)),
    }),
    route({
      method: 'get',
      path: '/v1/api-keys/{id}',
      tag,
      access: 'keys:read',
      summary: 'Read an API key',
      params: idParams,
      reads,
      responses: { 200: { description: 'The key without its secret', schema: apiKeySchema } },
      async handle({ tenantId, params }) {
        const row = await getApiKey(queries, tenantId, params.id)
        if (row === undefined) throw problem('not_found')
        return ok(renderApiKey(row))
      },
    }),
    route({
      method: 'post',
      path: '/v1/api-keys',
      tag,
      access: 'keys:write',
      summary: 'Issue an API key',
      body: newApiKey,
      description: 'The key is shown once. A key can only issue keys whose scopes it holds itself.',
      responses: { 201: { description: 'The key', schema: issuedKey } },
      problems: ['scope_exceeded', 'tenant_closed'],
      async handle({ body, principal, context }) {
        const more = body.scopes.filter((scope) => !covers(principal.scopes, scope))
        if (more.length > 0) throw problem('scope_exceeded', `The key that asks does not hold: ${more.join(', ')}.`)
        const { position, id, key } = settled(await issueApiKey(body, context))
        return created({ id, key, name: body.name, scopes: body.scopes }, { position, location: `/v1/api-keys/${id}` })
      },
    }),
    route({
      method: 'delete',
      path: '/v1/api-keys/{id}',
      tag,
      access: 'keys:write',
      summary: 'Revoke an API key, also while the organisation is suspended or closed',
      description: 'A key can only revoke keys whose scopes it holds itself; it may revoke itself.',
      whileInactive: true,
      params: idParams,
      responses: { 204: { description: 'Revoked' } },
      problems: ['scope_exceeded'],
      async handle({ params, principal, context }) {
        const { position } = settled(await revokeApiKey({ keyId: params.id, granted: principal.scopes }, context))
        return noContent({ position })
      },
    }),
  ]
}
