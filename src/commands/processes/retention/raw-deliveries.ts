import type { Pool } from 'pg'
import type { Clock } from '../../../domain/kernel/clock.ts'
import { start } from '../../../domain/kernel/position.ts'
import { rawDeliveriesDays } from '../../../domain/tenant/retention-settings.ts'
import { tenant } from '../../../domain/tenant/tenant.ts'
import { checkpointOf } from '../../../postgres/lease.ts'
import type { Commands } from '../../kernel/execute.ts'
import type { RawBodies, RawKept } from '../../ports/raw-bodies.ts'
import { intakeSubscription } from '../intake/intake.ts'

const dayMs = 86_400_000

export type RawRetention = {
  /** Connections of the role recado_worker. */
  readonly pool: Pool
  readonly bodies: RawBodies
  readonly commands: Pick<Commands, 'load'>
  /** Tenants that probably have the setting; what they really want is looked up in their stream before anything goes. */
  readonly candidates: () => Promise<readonly string[]>
  readonly clock: Clock
}

/**
 * Removes the raw bodies of deliveries that their tenants do not want to keep any longer. The log itself is never touched. A body that the intake has not
 * worked through is not removed, however old.
 */
export function createPurgeRawDeliveries({ pool, bodies, commands, candidates, clock }: RawRetention) {
  return async (signal: AbortSignal): ReturnType<RawBodies['purge']> => {
    const processed = (await checkpointOf(pool, intakeSubscription)) ?? start
    return bodies.purge(await keptBy(await candidates(), { commands, clock }), processed, signal)
  }
}

async function keptBy(tenantIds: readonly string[], { commands, clock }: Pick<RawRetention, 'commands' | 'clock'>): Promise<readonly RawKept[]> {
  const today = Math.floor(clock().getTime() / dayMs) * dayMs
  const kept: RawKept[] = []
  for (const tenantId of tenantIds) {
    const { state } = await commands.load(tenant, tenantId, tenantId)
    const days = rawDeliveriesDays(state.settings)
    if (days !== undefined) kept.push({ tenantId, before: new Date(today - days * dayMs) })
  }
  return kept
}
