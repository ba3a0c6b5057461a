import { alert, alertId, type RaiseAlert as Raise } from '../../domain/alert/alert.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import { derivedId } from '../../domain/kernel/ids.ts'
import type { Position } from '../../domain/kernel/position.ts'
import type { Commands, IfVersion } from '../kernel/execute.ts'
import { step } from '../kernel/step.ts'

/** When it happened is the moment of the context. `again`: see the domain's `RaiseAlert`. */
export type AlertWish = Omit<Raise, 'type' | 'at'>
export type RaiseAlert = (wish: AlertWish, context: CommandContext) => Promise<{ readonly alertId: string; readonly position: Position }>

/** Opens an alert for the tenant of the context; one that is open already stays one alert. Harmless to repeat. */
export function createRaiseAlert({ commands }: { commands: Commands }): RaiseAlert {
  return async (wish, context) => {
    const id = alertId(context.tenantId, wish.key)
    const outcome = await commands.execute(alert, id, { type: 'raise', ...wish, at: context.at.toISOString() }, step(context, `raise ${wish.key}`))
    if (!('position' in outcome)) throw new Error('an alert may always be raised')
    return { alertId: id, position: outcome.position }
  }
}

export type SettleAlert = (wish: { key: string; reason?: string; ahead?: boolean }, context: CommandContext) => Promise<void>

/** The trouble of this key is over, as far as there was one. With `ahead` it is also remembered for a raise that is still on its way. */
export function createSettleAlert({ commands }: { commands: Commands }): SettleAlert {
  return async ({ key, reason, ahead }, context) => {
    const wish = { type: 'resolve', reason, ahead, at: context.at.toISOString() } as const
    await commands.execute(alert, alertId(context.tenantId, key), wish, step(context, `settle ${key}`))
  }
}

export type ResolveAlert = (
  wish: { alertId: string; reason?: string | undefined; ifVersion: IfVersion },
  context: CommandContext,
) => Promise<
  { readonly position: Position; readonly version: number } | { readonly refused: 'not_found' } | { readonly stale: { readonly version: number } }
>

/** A person says that it is dealt with. Raised anew later, it opens again. */
export function createResolveAlert({ commands }: { commands: Commands }): ResolveAlert {
  return async ({ alertId: id, reason, ifVersion }, context) => {
    const { state } = await commands.load(alert, context.tenantId, id)
    // The provider's clock may be ahead of ours: who resolves what he sees open resolves it.
    const now = context.at.toISOString()
    const at = state.raisedAt !== undefined && state.raisedAt >= now ? new Date(Date.parse(state.raisedAt) + 1).toISOString() : now
    return commands.execute(
      alert,
      id,
      { type: 'resolve', reason, at },
      { ...context, commandId: derivedId('resolve', context.commandId, id) },
      { ifVersion },
    )
  }
}
