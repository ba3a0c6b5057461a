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
/** `granted`: the scopes of the key that asks. Without it, nobody asks who would be bound by any. */
export type RevokeKey = { readonly type: 'revokeKey'; readonly keyId: string; readonly granted?: readonly string[] }

/** Whether what was granted covers what is asked for. Unknown grants (of an older or newer version) cover nothing. */
export const covers = (granted: readonly string[], wanted: string): boolean => granted.includes('*') || granted.includes(wanted)

export function issueKey({ keyId, name, hash, hint, scopes }: IssueKey, tenant: Tenant): Decision<TenantEvent, 'not_found' | 'tenant_closed'> {
  if (tenant.status === 'none') return refuse('not_found')
  if (tenant.status === 'closed' || tenant.status === 'abandoned') return refuse('tenant_closed')
  if (tenant.keys.has(keyId)) return nothing
  return happened({ type: 'ApiKeyIssued', keyId, name, hash, hint, scopes: [...scopes] })
}

/**
 * In every state of the tenant and for the last key too: a key that leaked must go. But a key ends nothing above it: one that leaked itself could lock the
 * organisation out otherwise.
 */
export function revokeKey({ keyId, granted }: RevokeKey, tenant: Tenant): Decision<TenantEvent, 'not_found' | 'scope_exceeded'> {
  const key = tenant.keys.get(keyId)
  if (key === undefined) return refuse('not_found')
  if (granted !== undefined && !key.scopes.every((scope) => covers(granted, scope))) return refuse('scope_exceeded')
  return key.revoked ? nothing : happened({ type: 'ApiKeyRevoked', keyId })
}
