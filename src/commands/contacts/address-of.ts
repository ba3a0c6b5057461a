import { contact } from '../../domain/contact/contact.ts'
import type { ContactEvent } from '../../domain/contact/events.ts'
import { fromStored } from '../../domain/kernel/codec.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { sealedText } from '../../domain/kernel/secret.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import type { Vault } from '../../domain/kernel/vault.ts'

/** Where a contact can be written to; `erased` when its key was destroyed. */
export type ContactAddress = { readonly waId: string } | { readonly bsuid: string }
export type AddressOf = (tenantId: string, contactId: string) => Promise<ContactAddress | { readonly erased: true } | { readonly missing: true }>

/** Opened from the contact's own stream, right before it is needed: an address stands in no table of the sender. A phone goes before a user id, as Meta itself has it. */
export const createAddressOf =
  ({ store, vault }: { store: EventStore; vault: Vault }): AddressOf =>
  async (tenantId, contactId) => {
    const found: { waId?: string; bsuid?: string } = {}
    let erased = false
    for await (const recorded of store.readStream(streamRef(contact.category, tenantId, contactId))) {
      const event = fromStored<ContactEvent>(recorded)
      if (event.type !== 'ContactIdentityAdded') continue
      const opened = await vault.open({ tenantId, subject: contactId, eventId: recorded.id, field: 'value' }, sealedText(event.value))
      if ('erased' in opened) erased = true
      else if (event.kind === 'wa_id') found.waId = opened.text
      else found.bsuid = opened.text
    }
    if (found.waId !== undefined) return { waId: found.waId }
    if (found.bsuid !== undefined) return { bsuid: found.bsuid }
    return erased ? { erased: true } : { missing: true }
  }
