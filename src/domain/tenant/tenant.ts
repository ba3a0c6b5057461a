import type { Aggregate } from '../kernel/aggregate.ts'
import { happened, nothing, refuse, type Decision } from '../kernel/decider.ts'
import type { TenantEvent } from './events.ts'
import { issueKey, revokeKey, type IssueKey, type RevokeKey } from './keys.ts'
import { evolve, initial, type Json, type Tenant } from './state.ts'

export type CreateTenant = { readonly type: 'create'; readonly name: string; readonly slug: string; readonly plan: string; readonly locale: string }
/** `settings` are merged into the present ones; null takes one away. */
export type ChangeTenant = {
  readonly type: 'change'
  readonly name?: string | undefined
  readonly plan?: string | undefined
  readonly locale?: string | undefined
  readonly settings?: Readonly<Record<string, Json>> | undefined
}
export type SuspendTenant = { readonly type: 'suspend'; readonly reason?: string | undefined }
export type ResumeTenant = { readonly type: 'resume' }
export type CloseTenant = { readonly type: 'close'; readonly reason?: string | undefined }
/**
 * Somebody else wants the slug that this tenant claimed and never used, because its creation died half-way. Closing the empty stream fences it:
 * should the creator be alive after all, one of the two appends is first and the other one is refused.
 */
export type AbandonTenant = { readonly type: 'abandon' }
export type TenantCommand = CreateTenant | ChangeTenant | SuspendTenant | ResumeTenant | CloseTenant | AbandonTenant | IssueKey | RevokeKey

export type TenantRefusal = 'not_found' | 'tenant_closed' | 'in_use' | 'scope_exceeded'

function create({ name, slug, plan, locale }: CreateTenant, tenant: Tenant): Decision<TenantEvent, TenantRefusal> {
  if (tenant.status === 'abandoned') return refuse('tenant_closed')
  return tenant.status === 'none' ? happened({ type: 'TenantCreated', name, slug, plan, locale }) : nothing
}

function change(command: ChangeTenant, tenant: Tenant): Decision<TenantEvent, TenantRefusal> {
  const settings = command.settings === undefined ? undefined : merged(tenant.settings, command.settings)
  const changed = {
    ...(command.name === undefined || command.name === tenant.name ? {} : { name: command.name }),
    ...(command.plan === undefined || command.plan === tenant.plan ? {} : { plan: command.plan }),
    ...(command.locale === undefined || command.locale === tenant.locale ? {} : { locale: command.locale }),
    ...(settings === undefined || JSON.stringify(settings) === JSON.stringify(tenant.settings) ? {} : { settings }),
  }
  return Object.keys(changed).length === 0 ? nothing : happened({ type: 'TenantChanged', ...changed } as TenantEvent)
}

/** The event carries all settings as they are from then on, keys in order, so that a fold replaces and equal is equal. */
function merged(present: Tenant['settings'], wanted: Tenant['settings']): Tenant['settings'] {
  const entries = Object.entries({ ...present, ...wanted }).filter(([, value]) => value !== null)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

const because = (reason: string | undefined): { reason?: string } => (reason === undefined ? {} : { reason })

/** What needs a living tenant. */
function decideLiving(
  command: Exclude<TenantCommand, CreateTenant | AbandonTenant | CloseTenant | IssueKey | RevokeKey>,
  tenant: Tenant,
): Decision<TenantEvent, TenantRefusal> {
  if (tenant.status === 'closed' || tenant.status === 'abandoned') return refuse('tenant_closed')
  switch (command.type) {
    case 'change':
      return change(command, tenant)
    case 'suspend':
      return tenant.status === 'suspended' ? nothing : happened({ type: 'TenantSuspended', ...because(command.reason) })
    case 'resume':
      return tenant.status === 'active' ? nothing : happened({ type: 'TenantResumed' })
    default:
      return command satisfies never
  }
}

function decide(command: TenantCommand, tenant: Tenant): Decision<TenantEvent, TenantRefusal> {
  if (command.type === 'create') return create(command, tenant)
  if (command.type === 'issueKey') return issueKey(command, tenant)
  if (command.type === 'revokeKey') return revokeKey(command, tenant)
  if (command.type === 'abandon') {
    if (tenant.status === 'none') return happened({ type: 'TenantClosed', reason: 'never created' })
    return tenant.status === 'abandoned' ? nothing : refuse('in_use')
  }
  if (tenant.status === 'none') return refuse('not_found')
  if (command.type === 'close') {
    return tenant.status === 'closed' || tenant.status === 'abandoned' ? nothing : happened({ type: 'TenantClosed', ...because(command.reason) })
  }
  return decideLiving(command, tenant)
}

/** active ⇄ suspended → closed, for good. Its stream's id is the tenant's own id. */
export const tenant: Aggregate<TenantCommand, TenantEvent, Tenant, TenantRefusal> = {
  category: 'tenant',
  initial,
  evolve,
  decide,
  subject: () => 'tenant',
}
