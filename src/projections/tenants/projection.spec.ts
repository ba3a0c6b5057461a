import { describe, expect, it } from 'vitest'
import { recordedAt } from '../../../tests/support/recorded.ts'
import { rowsAfter } from '../../../tests/support/fold.ts'
import type { TenantEvent } from '../../domain/tenant/events.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { apiKeys } from '../apiKeys/projection.ts'
import { tenants } from './projection.ts'

const id = '0197c0de-0000-7000-8000-000000000001'
const stream = streamRef('tenant', id, id)
const created: TenantEvent = { type: 'TenantCreated', name: 'Casa', slug: 'casa', plan: 'free', locale: 'es' }
const issued: TenantEvent = { type: 'ApiKeyIssued', keyId: 'k1', name: 'server', hash: 'aa', hint: 'rk_k1', scopes: ['messages:write'] }
const given = (...events: TenantEvent[]) => events.map((event) => [stream, event] as const)

describe('the tenants', () => {
  it('begin active and take what was changed', () => {
    expect(rowsAfter(tenants, given(created))).toMatchObject([{ id, slug: 'casa', status: 'active', settings: '{}' }])
    const changed: TenantEvent = { type: 'TenantChanged', name: 'Casa Azul', settings: { hours: 'always' } }
    expect(rowsAfter(tenants, given(created, changed))).toMatchObject([{ name: 'Casa Azul', plan: 'free', settings: '{"hours":"always"}' }])
  })
  it('are suspended, resumed and closed', () => {
    expect(rowsAfter(tenants, given(created, { type: 'TenantSuspended' }))).toMatchObject([{ status: 'suspended' }])
    expect(rowsAfter(tenants, given(created, { type: 'TenantSuspended' }, { type: 'TenantResumed' }))).toMatchObject([{ status: 'active' }])
    expect(rowsAfter(tenants, given(created, { type: 'TenantClosed' }))).toMatchObject([{ status: 'closed' }])
  })
  it('carry the version of their stream, keys included', () => {
    expect(rowsAfter(tenants, given(created, issued))).toMatchObject([{ version: 2 }])
  })
})

describe('the API keys', () => {
  it('are shown by name, hint and scopes, never by their hash', () => {
    const rows = rowsAfter(apiKeys, given(created, issued))
    expect(rows).toEqual([{ id: 'k1', name: 'server', hint: 'rk_k1', scopes: '["messages:write"]', createdAt: recordedAt(2), revokedAt: null }])
  })
  it('stay visible when they are revoked', () => {
    expect(rowsAfter(apiKeys, given(created, issued, { type: 'ApiKeyRevoked', keyId: 'k1' }))).toMatchObject([{ id: 'k1', revokedAt: recordedAt(3) }])
  })
})
