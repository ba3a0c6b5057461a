import type { Secret } from '../kernel/secret.ts'
import type { ContactEvent, IdentityKind } from './events.ts'

/** `home` is set where this stream belongs to a further identity of a contact that lives elsewhere. */
export type Contact = {
  readonly exists: boolean
  readonly home?: string
  readonly nameIndex?: string
  readonly identities: readonly { readonly kind: IdentityKind; readonly index: string; readonly value: Secret }[]
}

export const initial: Contact = { exists: false, identities: [] }

export function evolve(state: Contact, event: ContactEvent): Contact {
  switch (event.type) {
    case 'ContactCreated':
      return { ...state, exists: true, ...(event.nameIndex === undefined ? {} : { nameIndex: event.nameIndex }) }
    case 'ContactIdentityAdded':
      return { ...state, identities: [...state.identities, { kind: event.kind, index: event.index, value: event.value }] }
    case 'ContactRenamed':
      return { ...state, nameIndex: event.nameIndex }
    case 'ContactIdentityReplaced': {
      const { kind, formerIndex, index, value } = event
      return {
        ...state,
        identities: [...state.identities.filter((known) => known.index !== formerIndex && known.index !== index), { kind, index, value }],
      }
    }
    case 'ContactConsentChanged':
      return state
    case 'ContactAliased':
      return { ...state, home: event.contactId }
    default:
      return event satisfies never
  }
}
