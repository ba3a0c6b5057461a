import type { EventType } from '../../domain/catalogue.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { EventsOf, Projection } from '../engine/projection.ts'

// One row per organisation; its tenant is itself, so a tenant sees its own row and the operator all of them.
// active ⇄ suspended → closed. Keys belong to the same stream: they move `version`, which is the ETag, and nothing else here.

export type TenantStatus = 'active' | 'suspended' | 'closed'

export type TenantRow = {
  readonly id: string
  readonly name: string
  readonly slug: string
  readonly plan: string
  readonly locale: string
  readonly status: string
  readonly settings: string
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly version: number
}

const handles = [
  'TenantCreated',
  'TenantChanged',
  'TenantSuspended',
  'TenantResumed',
  'TenantClosed',
  'ApiKeyIssued',
  'ApiKeyRevoked',
] as const satisfies readonly EventType[]
type Handled = EventsOf<(typeof handles)[number]>

export const tenants: Projection<TenantRow, Handled> = {
  name: 'tenants',
  version: 1,
  handles,
  creates: ['TenantCreated'],
  table: {
    columns: {
      id: 'text',
      name: 'text',
      slug: 'text',
      plan: 'text',
      locale: 'text',
      status: 'text',
      settings: 'json',
      createdAt: 'timestamptz',
      updatedAt: 'timestamptz',
      version: 'int4',
    },
    indexes: [],
  },
  key: (_event, at) => at.stream.tenantId,
  fold(row, event, at) {
    const before = row ?? created(event, at)
    if (before === undefined) return undefined
    return { ...before, ...change(before, event), updatedAt: at.recordedAt, version: at.version }
  },
}

function created(event: Handled, at: RecordedEvent): TenantRow | undefined {
  if (event.type !== 'TenantCreated') return undefined
  const { name, slug, plan, locale } = event
  const moment = { createdAt: at.recordedAt, updatedAt: at.recordedAt }
  return { id: at.stream.tenantId, name, slug, plan, locale, status: 'active', settings: '{}', ...moment, version: at.version }
}

function change(row: TenantRow, event: Handled): Partial<TenantRow> {
  switch (event.type) {
    case 'TenantCreated':
    case 'ApiKeyIssued':
    case 'ApiKeyRevoked':
      return {}
    case 'TenantChanged':
      return {
        name: event.name ?? row.name,
        plan: event.plan ?? row.plan,
        locale: event.locale ?? row.locale,
        settings: event.settings === undefined ? row.settings : JSON.stringify(event.settings),
      }
    case 'TenantSuspended':
      return { status: 'suspended' }
    case 'TenantResumed':
      return { status: 'active' }
    case 'TenantClosed':
      return { status: 'closed' }
    default:
      return event satisfies never
  }
}
