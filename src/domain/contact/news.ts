import { nothing, type Decision } from '../kernel/decider.ts'
import { plain } from '../kernel/secret.ts'
import type { ContactEvent } from './events.ts'
import { isCurrent } from './identities.ts'
import { added, written, type Identity, type Name } from './meet.ts'
import type { Contact } from './state.ts'

/** The person has another number or user id. Kinds that `former` does not name replace what was current until then: a new number brings a new user id. */
export type Replace = { type: 'replace'; former: readonly Identity[]; now: readonly Identity[]; at: string }
export type ChangeConsent = { type: 'changeConsent'; purpose: string; granted: boolean; source: string; at: string }
/** The owner of the business's phone keeps the person in the address book, or no longer. */
export type List = { type: 'list'; name?: Omit<Name, 'at'>; at: string }
export type Unlist = { type: 'unlist'; at: string }
export type SuspectDuplicate = { type: 'suspectDuplicate'; contactId: string; at: string }

/** To a contact that was met already; a repeat, or late news of what has changed again since, appends nothing. */
export function replace({ former, now, at }: Replace, contact: Contact): Decision<ContactEvent, never> {
  const events = now.flatMap((identity): ContactEvent[] => {
    const known = contact.identities.find(({ index }) => index === identity.index)
    const replaced = formerOf(identity, { former, at }, contact).filter(
      (index) => known === undefined || (known.since ?? '') < at || (contact.identities.find((one) => one.index === index)?.until ?? '') < at,
    )
    if (replaced.length === 0) return known === undefined ? [added(identity, at)] : []
    return replaced.map((formerIndex) => ({
      type: 'ContactIdentityReplaced',
      kind: identity.kind,
      formerIndex,
      index: identity.index,
      ...written(identity),
      at,
    }))
  })
  return { events }
}

function formerOf({ kind, index }: Identity, { former, at }: Pick<Replace, 'former' | 'at'>, contact: Contact): readonly string[] {
  const named = former.filter((one) => one.kind === kind)
  const replaced = named.length > 0 ? named : contact.identities.filter((one) => one.kind === kind && isCurrent(one) && (one.since ?? '') < at)
  return replaced.map((one) => one.index).filter((other) => other !== index)
}

/** Every later statement is kept, also one that repeats the last: what somebody wished and when may have to be proved. Of the same second, the no counts. */
export function changeConsent({ purpose, granted, source, at }: ChangeConsent, contact: Contact): Decision<ContactEvent, never> {
  const known = Object.hasOwn(contact.consents, purpose) ? contact.consents[purpose] : undefined
  if (known !== undefined && (at < known.at || (at === known.at && (granted || !known.granted)))) return nothing
  return { events: [{ type: 'ContactConsentChanged', purpose, granted, source, at }] }
}

/** Every later word counts, also one that changes nothing, for one of between may still be on its way. Of the same second, the removal counts. */
export function list({ name, at }: List, { listing }: Contact): Decision<ContactEvent, never> {
  if (listing !== undefined && at <= listing.at) return nothing
  return { events: [{ type: 'ContactListed', ...(name === undefined ? {} : { name: plain(name.text), nameIndex: name.index }), at }] }
}

/** Kept also where nobody was listed: the addition that it takes back may still come. */
export function unlist({ at }: Unlist, { listing }: Contact): Decision<ContactEvent, never> {
  if (listing !== undefined && (at < listing.at || (at === listing.at && !listing.listed))) return nothing
  return { events: [{ type: 'ContactUnlisted', at }] }
}

export function suspectDuplicate({ contactId, at }: SuspectDuplicate, { duplicates }: Contact): Decision<ContactEvent, never> {
  return duplicates.includes(contactId) ? nothing : { events: [{ type: 'ContactDuplicateSuspected', contactId, at }] }
}
