import { derivedId } from '../../src/domain/kernel/ids.ts'
import type { Vault } from '../../src/domain/kernel/vault.ts'

/** Sealing that can be read in a failing test: `open` proves that the context is the one it was sealed under. */
export const glassVault: Vault = {
  has: () => true,
  ensure: () => Promise.resolve(),
  seal: (context, text) => JSON.stringify([context, text]),
  open(context, sealed) {
    const [under, text] = JSON.parse(sealed) as [typeof context, string]
    if (JSON.stringify(under) !== JSON.stringify(context)) throw new Error('sealed under another context')
    return Promise.resolve({ text })
  },
  // A copy, as of every vault: who seals may use the bytes again.
  sealBytes: (_, bytes) => Uint8Array.from(bytes),
  openBytes: (_, bytes) => Promise.resolve({ bytes }),
  blindIndex: (tenantId, kind, value) => derivedId(tenantId, kind, value).replaceAll('-', ''),
}
