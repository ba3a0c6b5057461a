import type { SettleAlert } from '../../commands/alerts/alerts.ts'
import { parkedAlertKey } from '../../commands/alerts/parked-alarm.ts'
import type { Commands } from '../../commands/kernel/execute.ts'
import { step } from '../../commands/kernel/step.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import { later, start, type Position } from '../../domain/kernel/position.ts'
import { parking } from '../../domain/parking/parking.ts'
import type { ParkedTools, Retried } from '../../projections/engine/retry-parked.ts'

type Done = Extract<Retried, { applied: number }> & { readonly position: Position }

export type DealWithParked = {
  readonly retry: (at: { projection: string; position: Position }, context: CommandContext) => Promise<Done | { readonly missing: true }>
  readonly discard: (
    at: { projection: string; position: Position; reason: string },
    context: CommandContext,
  ) => Promise<Done | { readonly missing: true } | { readonly refused: 'parked_behind' }>
}

/**
 * What a person does about events that a read model could not apply. A discard is in the log before it is in the rows, so that no row leaves out an event
 * without anybody being able to say who wanted that; when the second step fails the event is still parked, and the same wish goes through again.
 */
export function createDealWithParked({
  tools,
  commands,
  settleAlert,
}: {
  tools: ParkedTools
  commands: Commands
  settleAlert: SettleAlert
}): DealWithParked {
  async function finish(projection: string, tried: Retried, at: Position, context: CommandContext): Promise<Done | { readonly missing: true }> {
    if (!('applied' in tried)) return tried
    const { row, applied, waiting } = tried
    const noted = await commands.execute(parking, projection, { type: 'noteRetry', row, applied, waiting }, step(context, 'note retry'))
    if (tried.waitingInAll === 0)
      await settleAlert({ key: parkedAlertKey(projection), reason: 'Nothing of it is parked any more' }, step(context, 'settle'))
    return { ...tried, position: 'position' in noted ? later(at, noted.position) : at }
  }

  return {
    async retry({ projection, position }, context) {
      return finish(projection, await tools.retry(context.tenantId, projection, position), start, context)
    },
    async discard({ projection, position, reason }, context) {
      const found = await tools.find(context.tenantId, projection, position)
      if (found === undefined) return { missing: true }
      if (found.category === 'behind') return { refused: 'parked_behind' }
      const { stream, version } = await tools.eventAt(context.tenantId, position)
      const event = { category: stream.category, id: stream.id, version }
      const wish = { type: 'discard', position, event, row: found.row, eventType: found.type, reason } as const
      const recorded = await commands.execute(parking, projection, wish, context)
      if (!('position' in recorded)) throw new Error('what is parked may always be discarded')
      const tried = await tools.retry(context.tenantId, projection, position, { discard: true })
      return finish(projection, tried, recorded.position, context)
    },
  }
}
