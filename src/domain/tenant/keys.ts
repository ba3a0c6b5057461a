import { happened, nothing, refuse, type Decision } from '../kernel/decider.ts'
import type { TenantEvent } from './events.ts'
import type { Tenant } from './state.ts'

/** The secret itself is nowhere: only its hash, and a hint (its last characters) to tell keys apart in a list. */
export type IssueKey = {
  readonly type: 'issueKey'
  readonly keyId: string
  readonly name: string
  readonly hash: string
  readonly hint: string
  readonly scopes: readonly string[]
}
export type RevokeKey = { readonly type: 'revokeKey'; readonly keyId: string }

export function issueKey({ keyId, name, hash, hint, scopes }: IssueKey, tenant: Tenant): Decision<TenantEvent, 'not_found' | 'tenant_closed'> {
  if (tenant.status === 'none') return refuse('not_found')
  if (tenant.status === 'closed' || tenant.status === 'abandoned') return refuse('tenant_closed')
  if (tenant.keys.has(keyId)) return nothing
  return happened({ type: 'ApiKeyIssued', keyId, name, hash, hint, scopes: [...scopes] })
}

/** Always possible, in every state of the tenant and for the last key too: a key that leaked must go. */
export function revokeKey({ keyId }: RevokeKey, tenant: Tenant): Decision<TenantEvent, 'not_found'> {
  const key = tenant.keys.get(keyId)
  if (key === undefined) return refuse('not_found')
  return key.revoked ? nothing : happened({ type: 'ApiKeyRevoked', keyId })
}
