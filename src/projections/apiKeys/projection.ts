import type { EventType } from '../../domain/catalogue.ts'
import type { EventsOf, Projection } from '../engine/projection.ts'

// The API keys of a tenant, for showing them. Who checks a key does not know the tenant yet and folds the keys of all tenants in memory instead;
// so the hash of a key has no business here.

export type ApiKeyRow = {
  readonly id: string
  readonly name: string
  readonly hint: string
  readonly scopes: string
  readonly createdAt: Date
  readonly revokedAt: Date | null
}

const handles = ['ApiKeyIssued', 'ApiKeyRevoked'] as const satisfies readonly EventType[]
type Handled = EventsOf<(typeof handles)[number]>

export const apiKeys: Projection<ApiKeyRow, Handled> = {
  name: 'apiKeys',
  version: 1,
  handles,
  creates: ['ApiKeyIssued'],
  table: {
    columns: { id: 'text', name: 'text', hint: 'text', scopes: 'json', createdAt: 'timestamptz', revokedAt: 'timestamptz' },
    indexes: [{ name: 'by_creation', on: 'created_at, id' }],
  },
  key: (event) => event.keyId,
  fold(row, event, at) {
    switch (event.type) {
      case 'ApiKeyIssued': {
        const { keyId, name, hint, scopes } = event
        return { id: keyId, name, hint, scopes: JSON.stringify(scopes), createdAt: at.recordedAt, revokedAt: null }
      }
      case 'ApiKeyRevoked':
        return row === undefined ? undefined : { ...row, revokedAt: at.recordedAt }
      default:
        return event satisfies never
    }
  },
}
