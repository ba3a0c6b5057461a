import type { EventType } from '../../domain/catalogue.ts'
import { currentOf, withIdentity, withReplaced, type KnownIdentity } from '../../domain/contact/identities.ts'
import { knownOf } from '../../domain/contact/state.ts'
import { sealedText, type Secret } from '../../domain/kernel/secret.ts'
import type { EventsOf, Projection } from '../engine/projection.ts'

// People who write to a tenant. A stream that only points at a contact elsewhere (`ContactAliased`) has no row.
// Names and identities are copied sealed; the blind index of an identity tells two contacts apart without opening anything.
// Invariant: of each kind the identity that counts now stands first, so a reader needs to know nothing of how they replace each other.
// Version 2: replaced identities, user name, the name in the phone's address book, consents, duplicates (2026-10).

/** Sealed for (contact id, eventId, `value`). */
export type SealedIdentity = KnownIdentity & { readonly sealed: string; readonly eventId: string }

export type Consents = Readonly<Record<string, { readonly granted: boolean; readonly at: string; readonly source: string }>>

export type ContactRow = {
  readonly id: string
  /** What the person is called here: as in the phone's address book, else as they call themselves. Sealed for (id, nameEventId, `name`). */
  readonly name: string | null
  readonly nameEventId: string | null
  /** What they call themselves. Sealed for (id, profileNameEventId, `name`). */
  readonly profileName: string | null
  readonly profileNameEventId: string | null
  /** Sealed for (id, usernameEventId, `username`). */
  readonly username: string | null
  readonly usernameEventId: string | null
  /** Stands in the phone's address book. */
  readonly listed: boolean
  readonly identities: string
  readonly consents: string
  /** Contacts that may be the same person. */
  readonly duplicates: string
  readonly source: string
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly version: number
}

const handles = [
  'ContactCreated',
  'ContactIdentityAdded',
  'ContactIdentityReplaced',
  'ContactRenamed',
  'ContactUsernameChanged',
  'ContactListed',
  'ContactUnlisted',
  'ContactConsentChanged',
  'ContactDuplicateSuspected',
] as const satisfies readonly EventType[]
type Handled = EventsOf<(typeof handles)[number]>

export const contacts: Projection<ContactRow, Handled> = {
  name: 'contacts',
  version: 2,
  handles,
  creates: ['ContactCreated'],
  table: {
    columns: {
      id: 'text',
      name: 'text',
      nameEventId: 'uuid',
      profileName: 'text',
      profileNameEventId: 'uuid',
      username: 'text',
      usernameEventId: 'uuid',
      listed: 'bool',
      identities: 'json',
      consents: 'json',
      duplicates: 'json',
      source: 'text',
      createdAt: 'timestamptz',
      updatedAt: 'timestamptz',
      version: 'int4',
    },
    indexes: [{ name: 'by_creation', on: 'created_at, id' }],
  },
  home: 'contact',
  key: (_event, at) => at.stream.id,
  fold(row, event, at) {
    const moved = { updatedAt: at.recordedAt, version: at.version }
    if (event.type === 'ContactCreated') {
      const { name, source } = event
      const profile = name === undefined ? { profileName: null, profileNameEventId: null } : profileOf(name, at.id)
      const nothingYet = { username: null, usernameEventId: null, listed: false, identities: '[]', consents: '{}', duplicates: '[]' }
      return { id: at.stream.id, ...shown(profile), ...profile, ...nothingYet, source, createdAt: at.recordedAt, ...moved }
    }
    if (row === undefined) return undefined
    switch (event.type) {
      case 'ContactRenamed': {
        const profile = profileOf(event.name, at.id)
        // A name from the address book stays in front of it.
        return { ...row, ...(row.nameEventId === row.profileNameEventId ? shown(profile) : {}), ...profile, ...moved }
      }
      case 'ContactListed':
        return { ...row, ...(event.name === undefined ? shown(row) : { name: sealedText(event.name), nameEventId: at.id }), listed: true, ...moved }
      case 'ContactUnlisted':
        return { ...row, ...shown(row), listed: false, ...moved }
      case 'ContactUsernameChanged':
        return { ...row, username: sealedText(event.username), usernameEventId: at.id, ...moved }
      case 'ContactIdentityAdded':
      case 'ContactIdentityReplaced': {
        const said: SealedIdentity = { ...knownOf(event), sealed: sealedText(event.value), eventId: at.id }
        const known = JSON.parse(row.identities) as SealedIdentity[]
        const now = event.type === 'ContactIdentityAdded' ? withIdentity(known, said) : withReplaced(known, event.formerIndex, said, event.at)
        return { ...row, identities: JSON.stringify(currentFirst(now)), ...moved }
      }
      case 'ContactConsentChanged': {
        const { purpose, granted, source, at: saidAt } = event
        const consents = { ...(JSON.parse(row.consents) as Consents), [purpose]: { granted, at: saidAt, source } }
        return { ...row, consents: JSON.stringify(consents), ...moved }
      }
      case 'ContactDuplicateSuspected':
        return { ...row, duplicates: JSON.stringify([...(JSON.parse(row.duplicates) as string[]), event.contactId]), ...moved }
      default:
        return event satisfies never
    }
  },
}

type Profile = Pick<ContactRow, 'profileName' | 'profileNameEventId'>
const profileOf = (name: Secret, eventId: string): Profile => ({ profileName: sealedText(name), profileNameEventId: eventId })
const shown = ({ profileName, profileNameEventId }: Profile) => ({ name: profileName, nameEventId: profileNameEventId })

const currentFirst = (identities: readonly SealedIdentity[]): readonly SealedIdentity[] => {
  const counts = (one: SealedIdentity): number => (currentOf(identities, one.kind) === one ? 0 : 1)
  return identities.toSorted((a, b) => counts(a) - counts(b))
}
