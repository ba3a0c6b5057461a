import { hash, timingSafeEqual } from 'node:crypto'
import type { Directory } from '../../commands/directory/directory.ts'
import { hashOfKey, looksLikeKey } from '../../commands/tenants/secret-key.ts'
import { platformTenant } from '../../domain/kernel/stream.ts'
import type { Authenticate, Principal } from './principal.ts'

const digest = (text: string): Buffer => hash('sha256', text, 'buffer')

/**
 * Who a token is. A key is looked up by the hash of its 256 random bits, which tells nothing by its timing;
 * the operator's key may be chosen by a person and is compared in constant time.
 */
export function createAuthenticate({
  directory,
  operatorKey,
}: {
  directory: Pick<Directory, 'keyOf' | 'tenantOf' | 'tenantOfSlug'>
  operatorKey: string
}): Authenticate {
  const expected = digest(operatorKey)
  return (token, named) => {
    if (timingSafeEqual(digest(token), expected)) return operator(named)
    const key = looksLikeKey(token) ? directory.keyOf(hashOfKey(token)) : undefined
    const tenant = key === undefined ? undefined : directory.tenantOf(key.tenantId)
    if (key === undefined || tenant === undefined) return undefined
    return {
      kind: 'key',
      tenantId: key.tenantId,
      actor: { kind: 'api', id: key.keyId, name: key.name },
      scopes: key.scopes,
      tenantStatus: tenant.status,
    }
  }

  function operator(named: string | undefined): Principal | 'unknown_tenant' {
    const actor = { kind: 'operator', id: 'operator' } as const
    if (named === undefined) return { kind: 'operator', tenantId: platformTenant, actor, scopes: ['*'], tenantStatus: 'active' }
    const tenant = directory.tenantOf(named) ?? directory.tenantOfSlug(named)
    return tenant === undefined
      ? 'unknown_tenant'
      : { kind: 'operator', tenantId: tenant.tenantId, actor, scopes: ['*'], tenantStatus: tenant.status }
  }
}
