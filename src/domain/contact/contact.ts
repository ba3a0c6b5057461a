import type { Aggregate } from '../kernel/aggregate.ts'
import { happened, nothing, refuse, type Decision } from '../kernel/decider.ts'
import { derivedId } from '../kernel/ids.ts'
import { plain } from '../kernel/secret.ts'
import type { ContactEvent, IdentityKind } from './events.ts'
import { evolve, initial, type Contact } from './state.ts'

/** One way the provider names a person. `index` is its blind index, so it can be compared without being read. */
export type Identity = { kind: IdentityKind; value: string; index: string }
export type Name = { text: string; index: string }

/** The person wrote, or is written to: be known under these identities and this name. */
export type Meet = { type: 'meet'; identities: readonly Identity[]; name?: Name; source: string }
/** The identity of this stream belongs to a contact that exists already. */
export type Alias = { type: 'alias'; contactId: string }
export type ContactCommand = Meet | Alias

/** Refused where this identity turns out to be a further one of a contact that lives elsewhere: meet that one. */
function meet(command: Meet, contact: Contact): Decision<ContactEvent, 'lives_elsewhere'> {
  if (contact.home !== undefined) return refuse('lives_elsewhere')
  const { name } = command
  const events: ContactEvent[] = []
  if (!contact.exists) {
    events.push({ type: 'ContactCreated', source: command.source, ...(name === undefined ? {} : { name: plain(name.text), nameIndex: name.index }) })
  } else if (name !== undefined && name.index !== contact.nameIndex) {
    events.push({ type: 'ContactRenamed', name: plain(name.text), nameIndex: name.index })
  }
  for (const { kind, index, value } of command.identities) {
    if (contact.identities.some((known) => known.index === index)) continue
    events.push({ type: 'ContactIdentityAdded', kind, index, value: plain(value) })
  }
  return { events }
}

/** The first to say where an identity belongs is right; a later opinion changes nothing (merging contacts is a wish of its own). */
function alias({ contactId }: Alias, contact: Contact): Decision<ContactEvent, never> {
  return contact.exists || contact.home !== undefined ? nothing : happened({ type: 'ContactAliased', contactId })
}

export const contact: Aggregate<ContactCommand, ContactEvent, Contact, 'lives_elsewhere'> = {
  category: 'contact',
  initial,
  evolve,
  decide: (command, state) => (command.type === 'meet' ? meet(command, state) : alias(command, state)),
  subject: (id) => id,
}

/** The stream of an identity: the contact itself if it was met under this identity first, else a pointer to it. */
export const contactIdOf = (tenantId: string, identityIndex: string): string => derivedId('contact', tenantId, identityIndex)
