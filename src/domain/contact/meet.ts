import { refuse, type Decision } from '../kernel/decider.ts'
import { plain } from '../kernel/secret.ts'
import type { ContactEvent, IdentityKind } from './events.ts'
import type { Contact } from './state.ts'

/**
 * One way the provider names a person. `index` is its blind index, so it can be compared without being read; `spelling` is that of the very text where the
 * canonical form differs.
 */
export type Identity = { kind: IdentityKind; value: string; index: string; spelling?: string }
/** What somebody is called, and since when that is known. */
export type Name = { text: string; index: string; at: string }

/** The person wrote, or is written to: be known under these identities and this name. `saidAt` when it is the provider who says so. */
export type Meet = { type: 'meet'; identities: readonly Identity[]; name?: Name; username?: Name; source: string; saidAt?: string }

/** Refused where this identity turns out to be a further one of a contact that lives elsewhere: meet that one. */
export function meet(command: Meet, contact: Contact): Decision<ContactEvent, 'lives_elsewhere'> {
  if (contact.home !== undefined) return refuse('lives_elsewhere')
  const { name, username, saidAt } = command
  const events: ContactEvent[] = []
  if (!contact.exists) {
    const called = name === undefined ? {} : { name: plain(name.text), nameIndex: name.index, nameAt: name.at }
    events.push({ type: 'ContactCreated', source: command.source, ...called })
  } else if (name !== undefined && isNewer(name, { index: contact.nameIndex, at: contact.nameAt })) {
    events.push({ type: 'ContactRenamed', name: plain(name.text), nameIndex: name.index, nameAt: name.at })
  }
  if (username !== undefined && isNewer(username, contact.username)) {
    events.push({ type: 'ContactUsernameChanged', username: plain(username.text), usernameIndex: username.index, at: username.at })
  }
  for (const identity of command.identities) {
    const event = identified(identity, contact, saidAt)
    if (event !== undefined) events.push(event)
  }
  return { events }
}

/** A further identity; or one that is known in another spelling, which the provider's word changes and a caller's does not. */
function identified(identity: Identity, contact: Contact, saidAt: string | undefined): ContactEvent | undefined {
  const { kind, index } = identity
  const known = contact.identities.find((one) => one.index === index)
  if (known === undefined) return added(identity, saidAt)
  if (known.spelling === identity.spelling || saidAt === undefined || saidAt <= (known.since ?? '')) return undefined
  return { type: 'ContactIdentityReplaced', kind, formerIndex: index, index, ...written(identity), at: saidAt }
}

export const added = (identity: Identity, at: string | undefined): ContactEvent => ({
  type: 'ContactIdentityAdded',
  kind: identity.kind,
  index: identity.index,
  ...written(identity),
  ...(at === undefined ? {} : { at }),
})

export const written = ({ value, spelling }: Identity) => ({ ...(spelling === undefined ? {} : { spelling }), value: plain(value) })

/** Later, or of the same second and then whichever: all that matters is that every order of arrival ends with the same one. */
function isNewer(name: Pick<Name, 'index' | 'at'>, known: { index?: string | undefined; at?: string | undefined } | undefined): boolean {
  if (known?.index === undefined) return true
  if (name.index === known.index) return false
  const at = known.at ?? ''
  return name.at > at || (name.at === at && name.index > known.index)
}
