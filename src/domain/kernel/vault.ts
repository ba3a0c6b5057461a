/**
 * What a ciphertext is bound to: moved to another tenant, person, event or field it does not open.
 * `subject` is whose key it is: a contact id, or `channel:<id>`, `user:<id>`, `deliveries` for what is not one contact's.
 */
export type SealContext = { readonly tenantId: string; readonly subject: string; readonly eventId: string; readonly field: string }

/** The text, or the typed answer that its key was destroyed on purpose. Never an exception for erased data. */
export type Opened = { readonly text: string } | { readonly erased: true }

/** Sealed data that was changed, moved or never was any: never shown, and never taken for erased. */
export class SealBroken extends Error {
  override readonly name = 'SealBroken'
}

/**
 * Sealing of personal data: AES-256-GCM under a key per (tenant, subject), wrapped by a tenant key, wrapped by the master key.
 * Sealed text: base64 of [1 byte format = 1][2 bytes key version][12 bytes nonce][ciphertext][16 bytes tag]; bytes: the same without base64.
 */
export type Vault = {
  /** Makes sure that the subjects have durable keys (creates the missing ones in one statement) and that `seal` may be called for them. */
  ensure: (tenantId: string, subjects: readonly string[]) => Promise<void>
  /** Whether `seal` may be called for the subject right now. */
  has: (tenantId: string, subject: string) => boolean
  /** @throws when `ensure` was not awaited for the subject. */
  seal: (context: SealContext, text: string) => string
  /** In bytes of its own: those that were given may be used for something else as soon as it answers. */
  sealBytes: (context: SealContext, bytes: Uint8Array) => Uint8Array
  /** @throws SealBroken when it was changed, or does not belong where it stands. */
  open: (context: SealContext, sealed: string) => Promise<Opened>
  openBytes: (context: SealContext, sealed: Uint8Array) => Promise<{ bytes: Uint8Array } | { erased: true }>
  /** A keyed hash for look-ups without plain text: HMAC-SHA256 under a tenant key, 32 hex digits. Needs `ensure` for the tenant (any subjects, also none). */
  blindIndex: (tenantId: string, kind: string, value: string) => string
}
