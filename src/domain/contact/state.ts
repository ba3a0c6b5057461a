import type { ContactEvent } from './events.ts'
import { withIdentity, withReplaced, type KnownIdentity } from './identities.ts'

/** Names are kept by their blind index: a decider compares, it never reads. */
export type Contact = {
  readonly exists: boolean
  /** Set where this stream belongs to a further identity of a contact that lives elsewhere. */
  readonly home?: string
  readonly nameIndex?: string
  readonly nameAt?: string
  readonly username?: { readonly index: string; readonly at: string }
  /** The last word about the address book. */
  readonly listing?: { readonly listed: boolean; readonly nameIndex?: string | undefined; readonly at: string }
  readonly consents: Readonly<Record<string, { readonly granted: boolean; readonly at: string }>>
  readonly duplicates: readonly string[]
  readonly identities: readonly KnownIdentity[]
}

export const initial: Contact = { exists: false, identities: [], consents: {}, duplicates: [] }

export function evolve(state: Contact, event: ContactEvent): Contact {
  switch (event.type) {
    case 'ContactCreated':
      return { ...state, exists: true, ...named(event) }
    case 'ContactIdentityAdded':
      return { ...state, identities: withIdentity(state.identities, knownOf(event)) }
    case 'ContactIdentityReplaced':
      return { ...state, identities: withReplaced(state.identities, event.formerIndex, knownOf(event), event.at) }
    case 'ContactRenamed':
      return { ...state, ...named(event) }
    case 'ContactUsernameChanged':
      return { ...state, username: { index: event.usernameIndex, at: event.at } }
    case 'ContactListed':
      return { ...state, listing: { listed: true, nameIndex: event.nameIndex, at: event.at } }
    case 'ContactUnlisted':
      return { ...state, listing: { listed: false, at: event.at } }
    case 'ContactConsentChanged':
      return { ...state, consents: { ...state.consents, [event.purpose]: { granted: event.granted, at: event.at } } }
    case 'ContactDuplicateSuspected':
      return { ...state, duplicates: [...state.duplicates, event.contactId] }
    case 'ContactAliased':
      return { ...state, home: event.contactId }
    default:
      return event satisfies never
  }
}

const named = ({ nameIndex, nameAt }: { nameIndex?: string | undefined; nameAt?: string | undefined }): Pick<Contact, 'nameIndex' | 'nameAt'> => ({
  ...(nameIndex === undefined ? {} : { nameIndex }),
  ...(nameAt === undefined ? {} : { nameAt }),
})

/** What an event says of an identity, without the value, which only readers need. */
export function knownOf(event: Extract<ContactEvent, { type: 'ContactIdentityAdded' | 'ContactIdentityReplaced' }>): KnownIdentity {
  const { kind, index, spelling, at } = event
  return { kind, index, ...(spelling === undefined ? {} : { spelling }), ...(at === undefined ? {} : { since: at }) }
}
