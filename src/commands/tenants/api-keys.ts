import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Position } from '../../domain/kernel/position.ts'
import type { Vault } from '../../domain/kernel/vault.ts'
import { tenant } from '../../domain/tenant/tenant.ts'
import type { Commands } from '../kernel/execute.ts'
import { secretKey } from './secret-key.ts'

export type IssueApiKey = (
  input: { name: string; scopes: readonly string[] },
  context: CommandContext,
) => Promise<
  | { readonly position: Position; readonly id: string; readonly key: string; readonly hint: string }
  | { readonly refused: 'not_found' | 'tenant_closed' }
>
export type RevokeApiKey = (
  input: { keyId: string; granted?: readonly string[] },
  context: CommandContext,
) => Promise<{ readonly position: Position } | { readonly refused: 'not_found' | 'scope_exceeded' }>

type Deps = { commands: Commands; vault: Vault; directory: { waitFor: (position: Position) => Promise<void> } }

/** A further key for the tenant of the context, shown once. It works in the very next request. */
export function createIssueApiKey({ commands, vault, directory }: Deps): IssueApiKey {
  return async ({ name, scopes }, context) => {
    await vault.ensure(context.tenantId, [])
    const { key, ...issued } = secretKey(vault, context.tenantId, context.commandId)
    const outcome = await commands.execute(tenant, context.tenantId, { type: 'issueKey', ...issued, name, scopes }, context)
    if ('position' in outcome) {
      await directory.waitFor(outcome.position)
      return { position: outcome.position, id: issued.keyId, key, hint: issued.hint }
    }
    return { refused: 'refused' in outcome && outcome.refused === 'tenant_closed' ? 'tenant_closed' : 'not_found' }
  }
}

/** The key is refused in the very next request of this process, in the others as soon as they have read the event. */
export function createRevokeApiKey({ commands, directory }: Omit<Deps, 'vault'>): RevokeApiKey {
  return async (wish, context) => {
    const outcome = await commands.execute(tenant, context.tenantId, { type: 'revokeKey', ...wish }, context)
    if (!('position' in outcome)) return { refused: 'refused' in outcome && outcome.refused === 'scope_exceeded' ? 'scope_exceeded' : 'not_found' }
    await directory.waitFor(outcome.position)
    return { position: outcome.position }
  }
}
