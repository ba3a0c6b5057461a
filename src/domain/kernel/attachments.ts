/** Bytes that belong to an event and not into JSON (the raw body of a delivery), on their way to or from the disk. */
export type Attached = { readonly eventId: string; readonly bytes: Uint8Array }

/**
 * How a store keeps attachments from being read by who has its disk. What one commit brings of one tenant is sealed as a whole: a cipher of its own for
 * every delivery cost as much as its signature and its JSON together (12 µs against 1.5 µs in thirties).
 */
export type AttachmentSeal = {
  /** Makes sure that `seal` may be called for the tenant. */
  readonly ensure: (tenantId: string) => Promise<void>
  readonly has: (tenantId: string) => boolean
  /**
   * Bound to the tenant; which bytes are which event's is inside the seal. `squeezed`: compressed first, for a store that notes how much it was before and
   * weighs by that what it is about to open. @throws when `ensure` was not awaited for the tenant.
   */
  readonly seal: (tenantId: string, attached: readonly Attached[], form?: 'squeezed') => Uint8Array
  /**
   * By event id; `erased` when the key was destroyed on purpose. `eventId`: whose it is if it was sealed for one event alone, as all were before there were
   * bundles. @throws SealBroken when it was changed, or is another tenant's.
   */
  readonly open: (tenantId: string, sealed: Uint8Array, eventId?: string) => Promise<ReadonlyMap<string, Uint8Array> | 'erased'>
}

/** Whose key seals them: they hold several people's words at once, and go when retention purges them. */
export const attachmentSubject = 'deliveries'

/** For who keeps none, and must not be given any unsealed by mistake. */
export const noAttachments: AttachmentSeal = {
  ensure: () => Promise.reject(new TypeError('attachments need a seal, and this store was opened without one')),
  has: () => false,
  seal() {
    throw new TypeError('attachments need a seal, and this store was opened without one')
  },
  open: () => Promise.resolve('erased'),
}
