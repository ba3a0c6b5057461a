import { describe, expect, it } from 'vitest'
import { platformTenant } from '../../domain/kernel/stream.ts'
import { admit, credentialOf } from './gate.ts'
import type { Principal } from './principal.ts'
import type { Problem } from './problem.ts'
import type { Access, Method } from './route.ts'

const key: Principal = { kind: 'key', tenantId: 't', actor: { kind: 'api', id: 'k' }, scopes: ['channels:read'], tenantStatus: 'active' }
const operator: Principal = { ...key, kind: 'operator', tenantId: platformTenant, scopes: ['*'] }

function outcome(who: Principal | undefined, access: Access, method: Method = 'get'): string {
  try {
    return admit({ access, method }, 'token', undefined, () => who).tenantId
  } catch (error) {
    return (error as Problem).code
  }
}

describe('the gate', () => {
  it.each<[string, Principal | undefined, Access, Method, string]>([
    ['everybody to what is public', undefined, 'public', 'get', platformTenant],
    ['nobody unknown', undefined, 'authenticated', 'get', 'unauthorized'],
    ['a key to what it may', key, 'channels:read', 'get', 't'],
    ['no key to what it may not', key, 'channels:write', 'get', 'forbidden'],
    ['no key to what is the operator’s, whatever its scopes', { ...key, scopes: ['*'] }, 'operator', 'get', 'forbidden'],
    ['no operator into a tenant it did not name', operator, 'channels:read', 'get', 'tenant_required'],
    ['the operator into the one it named', { ...operator, tenantId: 't' }, 'channels:write', 'post', 't'],
    ['the operator to its own routes as nobody’s tenant', { ...operator, tenantId: 't' }, 'operator', 'post', platformTenant],
    ['readers of a suspended tenant', { ...key, tenantStatus: 'suspended' }, 'channels:read', 'get', 't'],
    ['no changes to a suspended tenant', { ...key, scopes: ['*'], tenantStatus: 'suspended' }, 'channels:write', 'delete', 'tenant_suspended'],
    ['no changes to a closed tenant', { ...key, scopes: ['*'], tenantStatus: 'closed' }, 'channels:write', 'patch', 'tenant_suspended'],
  ])('lets in %s', (_, who, access, method, expected) => {
    expect(outcome(who, access, method)).toBe(expected)
  })
  it.each([
    [{ authorization: 'Bearer abc' }, 'abc'],
    [{ authorization: 'bearer  abc ' }, 'abc'],
    [{ authorization: 'Basic abc' }, undefined],
    [{ authorization: 'Basic abc', 'x-api-key': 'def' }, 'def'],
    [{}, undefined],
  ])('reads the credential of %j', (headers: Record<string, string>, expected) => {
    expect(credentialOf({ get: ((name: string) => headers[name]) as never })).toBe(expected)
  })
})
