import type { Aggregate } from '../kernel/aggregate.ts'
import { happened, nothing, type Decision } from '../kernel/decider.ts'
import { derivedId } from '../kernel/ids.ts'
import type { ContactEvent } from './events.ts'
import { meet, type Meet } from './meet.ts'
import {
  changeConsent,
  list,
  replace,
  suspectDuplicate,
  unlist,
  type ChangeConsent,
  type List,
  type Replace,
  type SuspectDuplicate,
  type Unlist,
} from './news.ts'
import { evolve, initial, type Contact } from './state.ts'

export type { Identity, Meet, Name } from './meet.ts'

/** The identity of this stream belongs to a contact that lives elsewhere, or will. */
export type Alias = { type: 'alias'; contactId: string }
export type ContactCommand = Meet | Alias | Replace | ChangeConsent | List | Unlist | SuspectDuplicate

/** The first to say where an identity belongs is right; a later opinion changes nothing (merging contacts is a wish of its own). */
function alias({ contactId }: Alias, contact: Contact): Decision<ContactEvent, never> {
  return contact.exists || contact.home !== undefined ? nothing : happened({ type: 'ContactAliased', contactId })
}

function decide(command: ContactCommand, state: Contact): Decision<ContactEvent, 'lives_elsewhere'> {
  switch (command.type) {
    case 'meet':
      return meet(command, state)
    case 'alias':
      return alias(command, state)
    case 'replace':
      return replace(command, state)
    case 'changeConsent':
      return changeConsent(command, state)
    case 'list':
      return list(command, state)
    case 'unlist':
      return unlist(command, state)
    case 'suspectDuplicate':
      return suspectDuplicate(command, state)
    default:
      return command satisfies never
  }
}

export const contact: Aggregate<ContactCommand, ContactEvent, Contact, 'lives_elsewhere'> = {
  category: 'contact',
  initial,
  evolve,
  decide,
  subject: (id) => id,
}

/** The stream of an identity: the contact itself if it was met under this identity first, else a pointer to it. */
export const contactIdOf = (tenantId: string, identityIndex: string): string => derivedId('contact', tenantId, identityIndex)
