import type { ContactEvent } from '../../../domain/contact/events.ts'
import type { Voice } from './voice.ts'

/** What became known of a person; never the value itself. */
export function contactSentence(event: ContactEvent, { by, customer }: Voice): string {
  switch (event.type) {
    case 'ContactCreated':
      return `${by} created the contact ${customer} (${event.source})`
    case 'ContactIdentityAdded':
      return `${by} added an address (${event.kind}) to ${customer}`
    case 'ContactIdentityReplaced':
      return `${customer} has another address now (${event.kind})`
    case 'ContactConsentChanged':
      return `${customer} ${event.granted ? 'agreed to' : 'no longer wants'} messages for ${event.purpose} (${event.source})`
    case 'ContactRenamed':
      return `${by} changed the name of ${customer}`
    case 'ContactUsernameChanged':
      return `${customer} has another user name now`
    case 'ContactListed':
      return `${customer} stands in the address book of the phone`
    case 'ContactUnlisted':
      return `${customer} was taken out of the address book of the phone`
    case 'ContactDuplicateSuspected':
      return `${customer} may be the same person as another contact`
    case 'ContactAliased':
      return `An address leads to the contact ${customer}`
    default:
      return event satisfies never
  }
}
