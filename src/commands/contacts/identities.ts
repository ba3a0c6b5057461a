import type { Identity } from '../../domain/contact/contact.ts'
import { identityKinds, type IdentityKind } from '../../domain/contact/events.ts'
import { canonicalPhone } from '../../domain/contact/phone.ts'
import type { Vault } from '../../domain/kernel/vault.ts'

/**
 * A person as the provider or a caller names them. `waId`: digits, no `+`. At least one of the three ids; a user name identifies nobody.
 * `profileAt`: when name and user name were so, where that is not the moment of the command.
 */
export type Person = {
  readonly waId?: string | undefined
  readonly bsuid?: string | undefined
  readonly parentBsuid?: string | undefined
  readonly username?: string | undefined
  readonly name?: string | undefined
  readonly profileAt?: string | undefined
}

/** The ids of a person, canonical: two spellings of a number are one. */
export function idsOf({ waId, bsuid, parentBsuid }: Person): readonly PersonId[] {
  const ids: PersonId[] = []
  if (waId !== undefined) ids.push({ kind: 'wa_id', value: waId, canonical: canonicalPhone(waId) })
  if (bsuid !== undefined) ids.push({ kind: 'bsuid', value: bsuid, canonical: bsuid })
  if (parentBsuid !== undefined) ids.push({ kind: 'parent_bsuid', value: parentBsuid, canonical: parentBsuid })
  return ids
}

type PersonId = { readonly kind: IdentityKind; readonly value: string; readonly canonical: string }

/**
 * The identities of one person, named in several ways perhaps, each once. Phone first: where two of them belong to two contacts, it is the phone's that is met.
 */
export function identitiesOf(tenantId: string, persons: readonly Person[], vault: Pick<Vault, 'blindIndex'>): readonly Identity[] {
  const found = new Map<string, Identity>()
  for (const { kind, value, canonical } of persons.flatMap(idsOf)) {
    const index = vault.blindIndex(tenantId, kind, canonical)
    // The last one told is the newest spelling.
    found.set(index, { kind, value, index, ...(value === canonical ? {} : { spelling: vault.blindIndex(tenantId, `${kind} spelling`, value) }) })
  }
  return [...found.values()].toSorted((a, b) => rank(a) - rank(b) || (a.index < b.index ? -1 : 1))
}

const rank = ({ kind }: Identity): number => identityKinds.indexOf(kind)
