import type { IdentityKind } from '../../domain/contact/events.ts'
import { currentOf, isCurrent } from '../../domain/contact/identities.ts'
import { canonicalPhone } from '../../domain/contact/phone.ts'
import type { SealedIdentity } from '../../projections/contacts/projection.ts'
import type { ContactView } from '../../projections/contacts/queries.ts'
import type { Opener } from '../messages/opening.ts'
import type { ContactBody } from './schema.ts'

/** What is known of a person, sealed. */
export type SealedPerson = {
  readonly id: string
  readonly name: string | null
  readonly nameEventId: string | null
  readonly identities: readonly SealedIdentity[]
}

export type Person = Pick<ContactBody, 'name' | 'phone' | 'wa_id' | 'bsuid' | 'erased'>

/** Name and identities in the clear, each absent when unknown; `erased` when the person's key was destroyed. Only what counts now is opened. */
export async function openPerson(tenantId: string, person: SealedPerson, open: Opener): Promise<Person> {
  const current = async (kind: IdentityKind): Promise<string | null | undefined> => {
    const identity = currentOf(person.identities, kind)
    return identity === undefined ? undefined : openIdentity(tenantId, person.id, identity, open)
  }
  const [name, waId, bsuid] = await Promise.all([
    openText({ tenantId, id: person.id, field: 'name' }, person, open),
    current('wa_id'),
    current('bsuid'),
  ])
  const erased = name === null || waId === null || bsuid === null
  return {
    ...(name === undefined || name === null ? {} : { name }),
    ...(waId === undefined || waId === null ? {} : { phone: `+${canonicalPhone(waId)}`, wa_id: waId }),
    ...(bsuid === undefined || bsuid === null ? {} : { bsuid }),
    ...(erased ? { erased: true } : {}),
  }
}

export async function renderContact(tenantId: string, row: ContactView, open: Opener): Promise<ContactBody> {
  const sealed = { tenantId, id: row.id }
  const [person, profileName, username, identities] = await Promise.all([
    openPerson(tenantId, row, open),
    openText({ ...sealed, field: 'name' }, { name: row.profileName, nameEventId: row.profileNameEventId }, open),
    openText({ ...sealed, field: 'username' }, { name: row.username, nameEventId: row.usernameEventId }, open),
    Promise.all(
      row.identities.map(async (identity) => {
        const value = await openIdentity(tenantId, row.id, identity, open)
        return value === null ? [] : [{ kind: identity.kind, value, ...(isCurrent(identity) ? {} : { former: true as const }) }]
      }),
    ),
  ])
  return {
    id: row.id,
    ...person,
    ...(typeof profileName === 'string' ? { profile_name: profileName } : {}),
    ...(typeof username === 'string' ? { username } : {}),
    identities: identities.flat(),
    consents: Object.entries(row.consents).map(([purpose, consent]) => ({ purpose, ...consent })),
    in_address_book: row.listed,
    ...(row.duplicates.length === 0 ? {} : { possible_duplicates: [...row.duplicates] }),
    source: row.source,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
    version: row.version,
  }
}

export const renderContacts = (tenantId: string, rows: readonly ContactView[], open: Opener): Promise<ContactBody[]> =>
  Promise.all(rows.map((row) => renderContact(tenantId, row, open)))

const openIdentity = (tenantId: string, subject: string, { sealed, eventId }: SealedIdentity, open: Opener): ReturnType<Opener> =>
  open({ tenantId, subject, eventId, field: 'value' }, sealed)

/** Undefined when there is none, null when it was erased. */
const openText = async (
  { tenantId, id, field }: { tenantId: string; id: string; field: string },
  { name, nameEventId }: Pick<SealedPerson, 'name' | 'nameEventId'>,
  open: Opener,
): Promise<string | null | undefined> =>
  name === null || nameEventId === null ? undefined : open({ tenantId, subject: id, eventId: nameEventId, field }, name)
