import { contact, type ContactCommand, type Meet } from '../../domain/contact/contact.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Vault } from '../../domain/kernel/vault.ts'
import type { Commands } from '../kernel/execute.ts'
import { step } from '../kernel/step.ts'
import { identitiesOf, type Person } from './identities.ts'
import type { MeetContact } from './meet-contact.ts'
import { settle } from './settle.ts'

/** What the provider says of a person beside messages. */
export type ContactNews =
  /** Another number or user id; the person is named by the former ones. */
  | { readonly kind: 'identity_replaced'; readonly now: Person }
  | { readonly kind: 'consent'; readonly purpose: string; readonly granted: boolean; readonly source: string }
  /** From the address book of a coexistence phone; the name is the one that the owner of the phone gave. */
  | { readonly kind: 'address_book'; readonly action: 'add' | 'remove' }

export type HearOfContact = (person: Person, news: ContactNews, context: CommandContext) => Promise<{ contactId: string }>

/** Takes the news to whom it concerns; somebody whom nobody has met yet is created by it, so that news that come before the first message are not lost. */
export function createHearOfContact({ commands, vault, meetContact }: { commands: Commands; vault: Vault; meetContact: MeetContact }): HearOfContact {
  /**
   * Old and new identities lead to one contact: the one that is known under the former ones, else the one that is known under the new. Where both are known
   * as two, the former keeps its identities and the other is its duplicate: taking them away from somebody who has a history of their own is a merge.
   */
  async function replaced(former: Person, now: Person, context: CommandContext): Promise<{ contactId: string }> {
    const { tenantId } = context
    await vault.ensure(tenantId, [])
    const at = context.at.toISOString()
    const before = identitiesOf(tenantId, [former], vault)
    const after = identitiesOf(tenantId, [now], vault)
    const known = before.length === 0 ? after : before
    const meet: Meet = { type: 'meet', identities: known, source: 'inbound' }
    const also = after.filter(({ index }) => known.every((one) => one.index !== index))
    const { contactId, apart } = await settle(commands, meet, context, { also })
    const mine = after.filter(({ index }) => !apart.has(index))
    if (mine.length > 0 && apart.size === 0) await tell(contactId, { type: 'replace', former: before, now: mine, at }, context)
    return { contactId }
  }

  async function tell(contactId: string, command: ContactCommand, context: CommandContext): Promise<void> {
    await commands.execute(contact, contactId, command, step(context, command.type))
  }

  return async (person, news, context) => {
    const at = context.at.toISOString()
    switch (news.kind) {
      case 'identity_replaced':
        return replaced(person, news.now, context)
      case 'consent': {
        const { purpose, granted, source } = news
        const { contactId } = await meetContact(person, 'inbound', context)
        await tell(contactId, { type: 'changeConsent', purpose, granted, source, at }, context)
        return { contactId }
      }
      case 'address_book': {
        const { name, ...nameless } = person
        const { contactId } = await meetContact(nameless, 'address_book', context)
        const called = name === undefined ? {} : { name: { text: name, index: vault.blindIndex(context.tenantId, 'name', name) } }
        await tell(contactId, news.action === 'add' ? { type: 'list', ...called, at } : { type: 'unlist', at }, context)
        return { contactId }
      }
      default:
        return news satisfies never
    }
  }
}
