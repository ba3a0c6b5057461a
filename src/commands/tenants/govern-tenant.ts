import type { CommandContext } from '../../domain/kernel/context.ts'
import { later, type Position } from '../../domain/kernel/position.ts'
import type { Tenant } from '../../domain/tenant/state.ts'
import { tenant, type ChangeTenant, type CloseTenant, type ResumeTenant, type SuspendTenant } from '../../domain/tenant/tenant.ts'
import type { Vault } from '../../domain/kernel/vault.ts'
import { reachInto } from '../audit/trail.ts'
import type { RemoveChannel } from '../channels/remove-channel.ts'
import type { Commands, IfVersion } from '../kernel/execute.ts'
import { step } from '../kernel/step.ts'

export type GovernTenant = (
  input: { tenantId: string; wish: ChangeTenant | SuspendTenant | ResumeTenant | CloseTenant; ifVersion: IfVersion },
  context: CommandContext,
) => Promise<
  | { readonly position: Position; readonly version: number; readonly tenant: Tenant }
  | { readonly refused: 'not_found' | 'tenant_closed' }
  | { readonly stale: { readonly version: number } }
>

/** Change, suspend, resume, close. Closing also removes the organisation's channels, so that their numbers can be connected elsewhere. */
export function createGovernTenant({
  commands,
  vault,
  directory,
  removeChannel,
}: {
  commands: Commands
  vault: Pick<Vault, 'seal' | 'ensure' | 'open'>
  directory: {
    waitFor: (position: Position) => Promise<void>
    tenantOf: (tenantId: string) => unknown
    channelsOf: (tenantId: string) => readonly { readonly channelId: string }[]
  }
  removeChannel: RemoveChannel
}): GovernTenant {
  return async ({ tenantId, wish, ifVersion }, context) => {
    // No keys are made for an organisation that is none: its name in an address is anybody's guess.
    const inside = directory.tenantOf(tenantId) === undefined ? step(context, 'govern', tenantId) : await reachInto(tenantId, context, vault)
    const outcome = await commands.execute(tenant, tenantId, wish, inside, { ifVersion })
    if ('stale' in outcome) return outcome
    if ('refused' in outcome) return { refused: outcome.refused === 'tenant_closed' ? 'tenant_closed' : 'not_found' }
    let { position } = outcome
    if (wish.type === 'close') {
      // Also when it was closed already: a first closing may have died before it had removed them all.
      for (const { channelId } of directory.channelsOf(tenantId)) {
        const removed = await removeChannel({ channelId, ifVersion: undefined }, step(inside, `remove ${channelId}`))
        if ('position' in removed) position = later(position, removed.position)
      }
    }
    await directory.waitFor(position)
    return { position, version: outcome.version, tenant: outcome.state }
  }
}
