import type { ProviderStatus, MediaReference } from '../../../../domain/conversation/events.ts'
import type { RecordStatus } from '../../../../domain/conversation/statuses.ts'
import type { ContactNews } from '../../../contacts/hear-of-contact.ts'
import type { Person } from '../../../contacts/meet-contact.ts'

/** What a delivery says, item by item, in our words. `path` leads back to the place in the raw delivery. */
export type Item = MessageItem | ChangeItem | RecordedItem | StatusItem | ContactItem | NewsItem | UnreadableItem

/** What concerns one number of ours; an unknown number parks it. */
type OfNumber = { readonly path: string; readonly phoneNumberId: string }

export type MessageItem = OfNumber & { readonly kind: 'message'; readonly person: Person; readonly message: InboundMessage }

export type InboundMessage = {
  readonly providerId: string
  readonly messageType: string
  /** JSON text of `{"<type>": <Meta's object>}`. */
  readonly content: string
  readonly raw?: string
  readonly replyTo?: { readonly providerId: string }
  readonly media?: MediaReference
  readonly entryPoint?: { readonly sourceType: string; readonly sourceId?: string; readonly clickId?: string }
  readonly at: string
  /** The provider's own time, where `at` is not it. */
  readonly claimedAt?: string
}

/** Something that happens to another message, which may be unknown here or still to come: a reaction, an edit, a revoke. By the customer, or on the phone. */
export type ChangeItem = OfNumber & {
  readonly kind: 'change'
  readonly person: Person
  readonly by: 'contact' | 'phone'
  readonly change: MessageChange
}
export type MessageChange = { readonly targetId: string; readonly providerId: string; readonly at: string } & (
  | { readonly kind: 'reaction'; readonly emoji?: string }
  | { readonly kind: 'edit'; readonly messageType: string; readonly content: string }
  | { readonly kind: 'revoke' }
)

/** A message that went by without us: an echo of the phone, or history from before the connection. `person` is the customer, whichever way it went. */
export type RecordedItem = OfNumber & {
  readonly kind: 'recorded'
  readonly person: Person
  readonly origin: 'phone' | 'history'
  readonly direction: 'inbound' | 'outbound'
  readonly message: InboundMessage & { readonly status?: ProviderStatus }
}

export type StatusItem = OfNumber & { readonly kind: 'status'; readonly callbackId: string | undefined; readonly report: StatusReport }
export type StatusReport = Omit<RecordStatus, 'type' | 'messageId'>

/** What we learn of a person beside messages. Applied before the messages of its page, because a new number decides whose conversation they belong to. */
export type ContactItem = OfNumber & { readonly kind: 'contact'; readonly person: Person; readonly news: ContactNews; readonly at: string }
/** A webhook field of the account, its numbers or templates; also one that we do not know. */
export type NewsItem = {
  readonly kind: 'news'
  readonly path: string
  readonly field: string
  readonly wabaId: string
  readonly phoneNumberId: string | undefined
  readonly value: unknown
  readonly at: string
  /** `at` is Meta's; else it is when we got it, which a repeat does not repeat. */
  readonly dated?: boolean
}

export type UnreadableItem = { readonly kind: 'unreadable'; readonly path: string; readonly error: string }
