import type { ClaimEvent } from '../../../domain/claim/events.ts'
import type { TenantEvent } from '../../../domain/tenant/events.ts'
import type { UserEvent } from '../../../domain/user/events.ts'
import { because, quoted, type Voice } from './voice.ts'

/** What happened to the organisation, its keys and its people. */
export function tenantSentence(event: TenantEvent, { by }: Voice): string {
  switch (event.type) {
    case 'TenantCreated':
      return `${by} created the organisation ${quoted(event.name)}`
    case 'TenantChanged': {
      const { type: _, settings, ...fields } = event
      return `${by} changed ${[...Object.keys(fields), ...Object.keys(settings ?? {})].join(', ') || 'nothing'} of the organisation`
    }
    case 'TenantSuspended':
      return `${by} suspended the organisation${because(event.reason)}`
    case 'TenantResumed':
      return `${by} resumed the organisation`
    case 'TenantClosed':
      return `${by} closed the organisation${because(event.reason)}`
    case 'ApiKeyIssued':
      return `${by} issued the API key ${quoted(event.name)} (${event.scopes.join(', ')})`
    case 'ApiKeyRevoked':
      return `${by} revoked the API key ${event.keyId}`
    default:
      return event satisfies never
  }
}

export const userSentence = (event: UserEvent, { by }: Voice): string => `${by} invited a user as ${event.role}`

export const claimSentence = (event: ClaimEvent, _voice: Voice): string =>
  event.type === 'Claimed' ? `A ${event.kind} was claimed` : 'A claim was released'
