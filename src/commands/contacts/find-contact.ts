import { contact, contactIdOf } from '../../domain/contact/contact.ts'
import type { Vault } from '../../domain/kernel/vault.ts'
import type { Commands } from '../kernel/execute.ts'
import { identitiesOf, type Person } from './identities.ts'

/** The contact that a person is known as here, without making one. */
export type FindContact = (tenantId: string, person: Person) => Promise<{ contactId: string } | undefined>

export function createFindContact({ commands, vault }: { commands: Commands; vault: Vault }): FindContact {
  async function endOf(tenantId: string, id: string): Promise<string | undefined> {
    const { state } = await commands.load(contact, tenantId, id)
    if (state.exists) return id
    return state.home === undefined ? undefined : endOf(tenantId, state.home)
  }
  return async (tenantId, person) => {
    // Blind indexes need the tenant's keys.
    await vault.ensure(tenantId, [])
    for (const { index } of identitiesOf(tenantId, [person], vault)) {
      const contactId = await endOf(tenantId, contactIdOf(tenantId, index))
      if (contactId !== undefined) return { contactId }
    }
    return undefined
  }
}
