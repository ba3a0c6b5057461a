import type { SealContext, Vault } from '../../domain/kernel/vault.ts'

/** Opens what a read model copied sealed. Null is the answer for data that was erased on purpose; a broken seal stays an exception. */
export type Opener = (context: SealContext, sealed: string) => Promise<string | null>

export const createOpener =
  (vault: Pick<Vault, 'open'>): Opener =>
  async (context, sealed) => {
    const opened = await vault.open(context, sealed)
    return 'erased' in opened ? null : opened.text
  }
