import { contact } from '../../domain/contact/contact.ts'
import type { ContactEvent, IdentityKind } from '../../domain/contact/events.ts'
import { currentOf, withIdentity, withReplaced, type KnownIdentity } from '../../domain/contact/identities.ts'
import { knownOf } from '../../domain/contact/state.ts'
import { fromStored } from '../../domain/kernel/codec.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { sealedText } from '../../domain/kernel/secret.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import type { Vault } from '../../domain/kernel/vault.ts'

/** Where a contact can be written to; `erased` when its key was destroyed. */
export type ContactAddress = { readonly waId: string } | { readonly bsuid: string }
export type AddressOf = (tenantId: string, contactId: string) => Promise<ContactAddress | { readonly erased: true } | { readonly missing: true }>

type Sealed = KnownIdentity & { readonly eventId: string; readonly sealed: string }

/**
 * Opened from the contact's own stream, right before it is needed: an address stands in no table of the sender. A phone goes before a user id, as Meta itself
 * has it, and of several numbers the one that Meta used last, written as Meta writes it.
 */
export const createAddressOf =
  ({ store, vault }: { store: EventStore; vault: Vault }): AddressOf =>
  async (tenantId, contactId) => {
    let known: readonly Sealed[] = []
    for await (const recorded of store.readStream(streamRef(contact.category, tenantId, contactId))) {
      const event = fromStored<ContactEvent>(recorded)
      if (event.type !== 'ContactIdentityAdded' && event.type !== 'ContactIdentityReplaced') continue
      const said = { ...knownOf(event), eventId: recorded.id, sealed: sealedText(event.value) }
      known = event.type === 'ContactIdentityAdded' ? withIdentity(known, said) : withReplaced(known, event.formerIndex, said, event.at)
    }
    const opened = async (kind: IdentityKind) => {
      const identity = currentOf(known, kind)
      return identity === undefined
        ? undefined
        : vault.open({ tenantId, subject: contactId, eventId: identity.eventId, field: 'value' }, identity.sealed)
    }
    const phone = await opened('wa_id')
    if (phone !== undefined) return 'erased' in phone ? phone : { waId: phone.text }
    const user = (await opened('bsuid')) ?? (await opened('parent_bsuid'))
    if (user === undefined) return { missing: true }
    return 'erased' in user ? user : { bsuid: user.text }
  }
