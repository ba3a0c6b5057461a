import type { Vault } from '../../domain/kernel/vault.ts'

/** The unguessable part of the webhook address of a channel with a Meta app of its own. Needs `vault.ensure` for the tenant. */
export const hookOf = (vault: Pick<Vault, 'blindIndex'>, tenantId: string, channelId: string): string => vault.blindIndex(tenantId, 'hook', channelId)

/** What Meta must show when it verifies that address: entered by the tenant into its own Meta app. */
export const verifyTokenOf = (vault: Pick<Vault, 'blindIndex'>, tenantId: string, channelId: string): string =>
  vault.blindIndex(tenantId, 'verify-token', channelId)
