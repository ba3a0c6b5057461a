import { describe, expect, it } from 'vitest'
import { tenant, type CreateTenant, type TenantCommand } from './tenant.ts'
import type { IssueKey } from './keys.ts'

const acme: CreateTenant = { type: 'create', name: 'Acme', slug: 'acme', plan: 'standard', locale: 'es' }
const key: IssueKey = { type: 'issueKey', keyId: 'k1', name: 'CRM', hash: 'h1', hint: '…abcd', scopes: ['*'] }

/** Runs the wishes one after another; the last one's decision is what is looked at. */
function after(...commands: TenantCommand[]) {
  let state = tenant.initial
  let decision: ReturnType<typeof tenant.decide> = { events: [] }
  for (const command of commands) {
    decision = tenant.decide(command, state)
    if ('events' in decision) state = decision.events.reduce(tenant.evolve, state)
  }
  return { state, ...decision }
}

describe('a tenant', () => {
  it('is active once it was created', () => {
    expect(after(acme).state).toMatchObject({ status: 'active', slug: 'acme', plan: 'standard' })
  })
  it('is created once, however often it is asked for', () => {
    expect(after(acme, acme)).toMatchObject({ events: [] })
  })
  it('records only what a change changes', () => {
    expect(after(acme, { type: 'change', name: 'Acme', plan: 'enterprise' })).toMatchObject({
      events: [{ type: 'TenantChanged', plan: 'enterprise' }],
    })
    expect(after(acme, { type: 'change', name: 'Acme' })).toMatchObject({ events: [] })
  })
  it('merges settings and takes away those set to null', () => {
    const both: TenantCommand = { type: 'change', settings: { sync_contacts: true, auto_reply: 'hi' } }
    expect(after(acme, both, { type: 'change', settings: { auto_reply: null } }).state.settings).toEqual({ sync_contacts: true })
  })
  it('sees no change in settings said in another order', () => {
    const first: TenantCommand = { type: 'change', settings: { a: 1, b: 2 } }
    expect(after(acme, first, { type: 'change', settings: { b: 2, a: 1 } })).toMatchObject({ events: [] })
  })
  it('is suspended and resumed, and says neither twice', () => {
    expect(after(acme, { type: 'suspend', reason: 'unpaid' }, { type: 'suspend' })).toMatchObject({ events: [] })
    expect(after(acme, { type: 'suspend' }, { type: 'resume' }).state.status).toBe('active')
    expect(after(acme, { type: 'resume' })).toMatchObject({ events: [] })
  })
  it.each<TenantCommand>([{ type: 'resume' }, { type: 'suspend' }, { type: 'change', name: 'New' }, key])('once closed refuses $type', (command) => {
    expect(after(acme, { type: 'close' }, command)).toMatchObject({ refused: 'tenant_closed' })
  })
  it.each<TenantCommand>([{ type: 'resume' }, { type: 'suspend' }, { type: 'close' }, { type: 'change', name: 'New' }, key])(
    'that was never created refuses $type',
    (command) => {
      expect(after(command)).toMatchObject({ refused: 'not_found' })
    },
  )
})

describe('abandoning a half-made tenant', () => {
  it('keeps its creator from finishing', () => {
    expect(after({ type: 'abandon' }, acme)).toMatchObject({ refused: 'tenant_closed' })
  })
  it('is refused once it was created', () => {
    expect(after(acme, { type: 'abandon' })).toMatchObject({ refused: 'in_use' })
  })
  it('is harmless to repeat', () => {
    expect(after({ type: 'abandon' }, { type: 'abandon' })).toMatchObject({ events: [] })
  })
})

describe('API keys', () => {
  it('are issued once per id', () => {
    expect(after(acme, key)).toMatchObject({ events: [{ type: 'ApiKeyIssued', keyId: 'k1', hash: 'h1', scopes: ['*'] }] })
    expect(after(acme, key, key)).toMatchObject({ events: [] })
  })
  it('are revoked, also the last one and also of a closed tenant', () => {
    expect(after(acme, key, { type: 'close' }, { type: 'revokeKey', keyId: 'k1' })).toMatchObject({
      events: [{ type: 'ApiKeyRevoked', keyId: 'k1' }],
    })
  })
  it('are revoked once', () => {
    expect(after(acme, key, { type: 'revokeKey', keyId: 'k1' }, { type: 'revokeKey', keyId: 'k1' })).toMatchObject({ events: [] })
  })
  it('are revoked by a key that holds all of their scopes, and by no other', () => {
    const revoke = (...granted: string[]) =>
      after(acme, { ...key, scopes: ['keys:write', 'audit:read'] }, { type: 'revokeKey', keyId: 'k1', granted })
    for (const granted of [['*'], ['audit:read', 'keys:write', 'feed:read']]) expect(revoke(...granted).state.keys.get('k1')?.revoked).toBe(true)
    for (const granted of [[], ['keys:write']]) expect(revoke(...granted)).toMatchObject({ refused: 'scope_exceeded' })
    expect(after(acme, { ...key, scopes: ['*'] }, { type: 'revokeKey', keyId: 'k1', granted: ['keys:write'] })).toMatchObject({
      refused: 'scope_exceeded',
    })
  })
  it('that do not exist cannot be revoked', () => {
    expect(after(acme, { type: 'revokeKey', keyId: 'k9' })).toMatchObject({ refused: 'not_found' })
  })
  it('stay issued when the wish is repeated after a revocation', () => {
    expect(after(acme, key, { type: 'revokeKey', keyId: 'k1' }, key).state.keys.get('k1')?.revoked).toBe(true)
  })
})
