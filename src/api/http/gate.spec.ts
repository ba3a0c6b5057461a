import { describe, expect, it } from 'vitest'
import { platformTenant } from '../../domain/kernel/stream.ts'
import { admit, credentialOf, gate } from './gate.ts'
import type { Authenticate, Principal } from './principal.ts'
import type { Problem } from './problem.ts'
import type { RateLimits } from './rate-limit.ts'
import type { Access, Method, Route } from './route.ts'

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
  it('lets a key of a suspended tenant do what only takes away', () => {
    const suspended: Principal = { ...key, scopes: ['keys:write'], tenantStatus: 'suspended' }
    expect(admit({ access: 'keys:write', method: 'delete', whileInactive: true }, 'token', undefined, () => suspended)).toBe(suspended)
  })
  it.each<[string, ReturnType<Authenticate>, number]>([
    ['an unknown credential', undefined, 1],
    ['one that lacks the scope', { ...key, scopes: [] }, 0],
    ['one of a suspended tenant', { ...key, scopes: ['*'], tenantStatus: 'suspended' }, 0],
    ['an operator who names no tenant', operator, 0],
    ['an operator who names one that does not exist', 'unknown_tenant', 0],
  ])('counts as a guess %s or not', async (_, who, expected) => {
    let guesses = 0
    const limits: RateLimits = {
      count: () => Promise.resolve(),
      countFailure: () => {
        guesses++
        return Promise.resolve()
      },
    }
    const route: Pick<Route, 'access' | 'method'> = { access: 'channels:write', method: 'post' }
    const req = { ip: '::1', get: (name: string) => (name === 'authorization' ? 'Bearer token' : undefined) }
    await expect(gate(route as Route, () => who, limits)(req as never, { locals: {} } as never, () => undefined)).rejects.toThrow()
    expect(guesses).toBe(expected)
  })
  it('looks once more before it refuses what looks like a key: another process may have made it a moment ago', async () => {
    const limits: RateLimits = { count: () => Promise.resolve(), countFailure: () => Promise.resolve() }
    const route = { access: 'channels:write', method: 'post' } as Route
    const made = `rk_0197c0de-0000-7000-8000-00000000000a_${'x'.repeat(43)}`
    let known = false
    let looks = 0
    const newest = async (): Promise<void> => {
      looks++
      known = true
    }
    const pass = async (token: string, here: () => boolean): Promise<unknown> => {
      const req = { ip: '::1', get: (name: string) => (name === 'authorization' ? `Bearer ${token}` : undefined) }
      const res = { locals: {} as { principal?: unknown } }
      await gate(route, () => (here() ? { ...key, scopes: ['*'] } : undefined), limits, newest)(req as never, res as never, () => undefined)
      return res.locals.principal
    }
    expect(await pass(made, () => known)).toMatchObject({ kind: 'key' })
    await expect(pass(made, () => false)).rejects.toMatchObject({ code: 'unauthorized' })
    expect(looks).toBe(2)
    await expect(pass('a guess', () => false)).rejects.toMatchObject({ code: 'unauthorized' })
    expect(looks).toBe(2)
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
