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

/** Name and identities in the clear, each absent when unknown; `erased` when the person's key was destroyed. */
export async function openPerson(tenantId: string, person: SealedPerson, open: Opener): Promise<Person> {
  const [name, ...identities] = await Promise.all([
    person.name === null || person.nameEventId === null
      ? undefined
      : open({ tenantId, subject: person.id, eventId: person.nameEventId, field: 'name' }, person.name),
    ...person.identities.map(async ({ kind, sealed, eventId }) => ({
      kind,
      value: await open({ tenantId, subject: person.id, eventId, field: 'value' }, sealed),
    })),
  ])
  const first = (kind: SealedIdentity['kind']): string | undefined => identities.find((one) => one.kind === kind)?.value ?? undefined
  const waId = first('wa_id')
  const bsuid = first('bsuid')
  const erased = name === null || identities.some(({ value }) => value === null)
  return {
    ...(name === undefined || name === null ? {} : { name }),
    ...(waId === undefined ? {} : { phone: `+${waId}`, wa_id: waId }),
    ...(bsuid === undefined ? {} : { bsuid }),
    ...(erased ? { erased: true } : {}),
  }
}

export async function renderContact(tenantId: string, row: ContactView, open: Opener): Promise<ContactBody> {
  return {
    id: row.id,
    ...(await openPerson(tenantId, row, open)),
    source: row.source,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
    version: row.version,
  }
}

export const renderContacts = (tenantId: string, rows: readonly ContactView[], open: Opener): Promise<ContactBody[]> =>
  Promise.all(rows.map((row) => renderContact(tenantId, row, open)))
