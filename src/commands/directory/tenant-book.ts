import { fromStored } from '../../domain/kernel/codec.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { TenantEvent } from '../../domain/tenant/events.ts'

export type TenantEntry = {
  readonly tenantId: string
  readonly slug: string
  readonly name: string
  readonly status: 'active' | 'suspended' | 'closed'
}
export type KeyEntry = { readonly tenantId: string; readonly keyId: string; readonly name: string; readonly scopes: readonly string[] }

export type TenantBook = {
  readonly take: (event: RecordedEvent) => void
  readonly keyOf: (hash: string) => KeyEntry | undefined
  readonly tenantOf: (tenantId: string) => TenantEntry | undefined
  readonly tenantOfSlug: (slug: string) => TenantEntry | undefined
}

/** Tenants, and the keys that are valid now. A revoked key is forgotten. */
export function createTenantBook(): TenantBook {
  const tenants = new Map<string, TenantEntry>()
  const bySlug = new Map<string, string>()
  const keys = new Map<string, KeyEntry>()
  const hashes = new Map<string, string>()

  /** Events of a tenant that was never created (its slug was taken away half-way) concern nobody. */
  function change(tenantId: string, part: Partial<TenantEntry>): void {
    const tenant = tenants.get(tenantId)
    if (tenant !== undefined) tenants.set(tenantId, { ...tenant, ...part })
  }

  return {
    take(stored) {
      const { tenantId } = stored.stream
      const event = fromStored<TenantEvent>(stored)
      switch (event.type) {
        case 'TenantCreated':
          tenants.set(tenantId, { tenantId, slug: event.slug, name: event.name, status: 'active' })
          bySlug.set(event.slug, tenantId)
          return
        case 'TenantChanged':
          return change(tenantId, event.name === undefined ? {} : { name: event.name })
        case 'TenantSuspended':
          return change(tenantId, { status: 'suspended' })
        case 'TenantResumed':
          return change(tenantId, { status: 'active' })
        case 'TenantClosed':
          return change(tenantId, { status: 'closed' })
        case 'ApiKeyIssued':
          keys.set(event.hash, { tenantId, keyId: event.keyId, name: event.name, scopes: event.scopes })
          hashes.set(event.keyId, event.hash)
          return
        case 'ApiKeyRevoked': {
          const hash = hashes.get(event.keyId)
          if (hash !== undefined && keys.get(hash)?.tenantId === tenantId) keys.delete(hash)
          hashes.delete(event.keyId)
          return
        }
        default:
          event satisfies never
      }
    },
    keyOf: (hash) => keys.get(hash),
    tenantOf: (tenantId) => tenants.get(tenantId),
    tenantOfSlug(slug) {
      const tenantId = bySlug.get(slug)
      return tenantId === undefined ? undefined : tenants.get(tenantId)
    },
  }
}
