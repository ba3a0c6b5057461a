import type { TenantEvent } from './events.ts'

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }
export type ApiKey = { readonly hash: string; readonly name: string; readonly scopes: readonly string[]; readonly revoked: boolean }

/** `abandoned`: it was closed before it was ever created (see `abandon`). */
export type Tenant = {
  readonly status: 'none' | 'active' | 'suspended' | 'closed' | 'abandoned'
  readonly name: string
  readonly slug: string
  readonly plan: string
  readonly locale: string
  readonly settings: Readonly<Record<string, Json>>
  readonly keys: ReadonlyMap<string, ApiKey>
}

export const initial: Tenant = { status: 'none', name: '', slug: '', plan: 'standard', locale: 'en', settings: {}, keys: new Map() }

export function evolve(state: Tenant, event: TenantEvent): Tenant {
  switch (event.type) {
    case 'TenantCreated':
      return { ...state, status: 'active', name: event.name, slug: event.slug, plan: event.plan, locale: event.locale }
    case 'TenantChanged':
      return {
        ...state,
        name: event.name ?? state.name,
        plan: event.plan ?? state.plan,
        locale: event.locale ?? state.locale,
        settings: (event.settings as Tenant['settings'] | undefined) ?? state.settings,
      }
    case 'TenantSuspended':
      return { ...state, status: 'suspended' }
    case 'TenantResumed':
      return { ...state, status: 'active' }
    case 'TenantClosed':
      return { ...state, status: state.status === 'none' ? 'abandoned' : 'closed' }
    case 'ApiKeyIssued': {
      const { hash, name, scopes } = event
      return { ...state, keys: new Map(state.keys).set(event.keyId, { hash, name, scopes, revoked: false }) }
    }
    case 'ApiKeyRevoked': {
      const key = state.keys.get(event.keyId)
      return key === undefined ? state : { ...state, keys: new Map(state.keys).set(event.keyId, { ...key, revoked: true }) }
    }
    default:
      return event satisfies never
  }
}
