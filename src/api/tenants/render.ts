import type { z } from 'zod'
import type { Tenant } from '../../domain/tenant/state.ts'
import type { ApiKeyView } from '../../projections/apiKeys/queries.ts'
import type { TenantView } from '../../projections/tenants/queries.ts'
import type { apiKeySchema, tenantSchema } from './schema.ts'

type TenantBody = z.infer<typeof tenantSchema>

export const renderTenant = ({ id, name, slug, plan, status, locale, settings, createdAt, updatedAt, version }: TenantView): TenantBody => ({
  id,
  name,
  slug,
  locale,
  settings,
  version,
  plan,
  status: status as TenantBody['status'],
  created_at: createdAt.toISOString(),
  updated_at: updatedAt.toISOString(),
})

/** For the answer to a command when the read model is late: what the command left behind, at the moment it was given. */
export const renderDecided = (id: string, tenant: Tenant, version: number, at: Date): TenantBody => {
  const { name, slug, plan, locale, settings, status } = tenant
  const moment = at.toISOString()
  return {
    id,
    name,
    slug,
    plan,
    locale,
    version,
    settings: { ...settings },
    status: status === 'suspended' || status === 'closed' ? status : 'active',
    created_at: moment,
    updated_at: moment,
  }
}

export const renderApiKey = ({ id, name, hint, scopes, createdAt, revokedAt }: ApiKeyView): z.infer<typeof apiKeySchema> => ({
  id,
  name,
  hint,
  scopes: [...scopes],
  created_at: createdAt.toISOString(),
  revoked_at: revokedAt?.toISOString() ?? null,
})
