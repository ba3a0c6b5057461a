import { LRUCache } from 'lru-cache'
import { contact, contactIdOf, type Identity, type Meet, type Name } from '../../domain/contact/contact.ts'
import type { IdentityKind } from '../../domain/contact/events.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Vault } from '../../domain/kernel/vault.ts'
import type { Commands } from '../kernel/execute.ts'

/** A person as the provider or a caller names them. `waId`: digits, no `+`. At least one of the two. */
export type Person = { readonly waId?: string | undefined; readonly bsuid?: string | undefined; readonly name?: string | undefined }

export type MeetContact = (person: Person, source: string, context: CommandContext) => Promise<{ contactId: string }>

/**
 * Finds the contact behind a set of identities, or creates it, and teaches it what is new (a name, a further identity).
 *
 * Each identity has a stream of its own, named after its blind index: the contact lives in the one it was met under first, the others point there.
 * So a look-up is a read of one short stream, two processes that meet the same person meet in the same stream, and no phone stands in any name.
 * Where the identities of one person point to two contacts (known before their phone and user id came together), the phone's wins until somebody merges them.
 */
export function createMeetContact({ commands, vault, cacheSize = 30_000 }: { commands: Commands; vault: Vault; cacheSize?: number }): MeetContact {
  /** What was already said to the contact: the very same again needs nothing, not even an open stream. */
  const met = new LRUCache<string, string>({ max: cacheSize })

  async function homeOf(tenantId: string, identities: readonly Identity[]): Promise<string> {
    for (const identity of identities) {
      const id = contactIdOf(tenantId, identity.index)
      const { state } = await commands.load(contact, tenantId, id)
      if (state.exists) return id
      if (state.home !== undefined) return state.home
    }
    const [first] = identities
    if (first === undefined) throw new Error('a contact needs an identity')
    return contactIdOf(tenantId, first.index)
  }

  /** Another process may make the stream a pointer between our look and our append: then the person lives where it points to. */
  async function meetAt(identities: readonly Identity[], command: Meet, context: CommandContext): Promise<string> {
    for (let tries = 0; tries < 5; tries++) {
      const contactId = await homeOf(context.tenantId, identities)
      await vault.ensure(context.tenantId, [contactId])
      const outcome = await commands.execute(contact, contactId, command, context)
      if (!('refused' in outcome)) return contactId
    }
    throw new Error('the contact moved under every one of 5 tries')
  }

  return async (person, source, context) => {
    const { tenantId } = context
    const fingerprint = JSON.stringify([tenantId, person.waId, person.bsuid, person.name])
    const known = met.get(fingerprint)
    if (known !== undefined) return { contactId: known }

    await vault.ensure(tenantId, [])
    const identities = identitiesOf(tenantId, person, vault)
    const name: Name | undefined =
      person.name === undefined ? undefined : { text: person.name, index: vault.blindIndex(tenantId, 'name', person.name) }
    const contactId = await meetAt(identities, { type: 'meet', identities, source, ...(name === undefined ? {} : { name }) }, context)
    for (const identity of identities) {
      const id = contactIdOf(tenantId, identity.index)
      if (id !== contactId) await commands.execute(contact, id, { type: 'alias', contactId }, context)
    }
    met.set(fingerprint, contactId)
    return { contactId }
  }
}

/** Phone first: it is what older webhooks have and newer ones usually still do, so both lead to the same contact. */
function identitiesOf(tenantId: string, { waId, bsuid }: Person, vault: Vault): readonly Identity[] {
  const identity = (kind: IdentityKind, value: string | undefined): Identity[] =>
    value === undefined ? [] : [{ kind, value, index: vault.blindIndex(tenantId, kind, value) }]
  return [...identity('wa_id', waId), ...identity('bsuid', bsuid)]
}
