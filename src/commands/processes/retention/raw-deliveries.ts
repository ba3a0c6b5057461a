import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { Clock } from '../../../domain/kernel/clock.ts'
import { start } from '../../../domain/kernel/position.ts'
import { rawDeliveriesDays } from '../../../domain/tenant/retention-settings.ts'
import { tenant } from '../../../domain/tenant/tenant.ts'
import { binaryArray } from '../../../postgres/binary-array.ts'
import { checkpointOf, holdLease } from '../../../postgres/lease.ts'
import { pause } from '../../../postgres/pause.ts'
import type { Commands } from '../../kernel/execute.ts'
import { intakeSubscription } from '../intake/intake.ts'

/** Raw bodies of one statement: some ten megabytes of them, gone in a fraction of a second. */
const batch = 500
const dayMs = 86_400_000
/** Between two batches: nobody waits for this, and the webhooks write into the same table. */
const breathMs = 50

type Kept = { readonly tenantId: string; readonly before: Date }

export type RawRetention = {
  readonly pool: Pool
  readonly commands: Pick<Commands, 'load'>
  /** Tenants that probably have the setting; what they really want is looked up in their stream before anything goes. */
  readonly candidates: () => Promise<readonly string[]>
  readonly clock: Clock
}

/**
 * Removes the raw bodies of deliveries that their tenants do not want to keep any longer: whole months at once where every tenant in them agrees, the
 * others in small batches. The log itself is never touched. A body that the intake has not worked through is not removed, however old.
 * Whole days, so that a day has one line in es.attachment_purges.
 */
export function createPurgeRawDeliveries({ pool, commands, candidates, clock }: RawRetention) {
  return async (signal: AbortSignal): Promise<{ readonly bodies: number; readonly months: readonly string[] }> => {
    const processed = BigInt((await checkpointOf(pool, intakeSubscription)) ?? start).toString()
    const kept = await keptBy(await candidates(), { commands, clock })
    const { rows } = await pool.query<{ month: string }>('select * from es.drop_attachment_months($1, $2, $3) as month', [
      binaryArray(
        'uuid',
        kept.map(({ tenantId }) => tenantId),
      ),
      binaryArray(
        'timestamptz',
        kept.map(({ before }) => before),
      ),
      processed,
    ])
    let bodies = 0
    for (const { tenantId, before } of kept) {
      for (;;) {
        const { rows: answer } = await pool.query<{ gone: number }>('select es.purge_attachments($1, $2, $3, $4) as gone', [
          tenantId,
          before,
          processed,
          batch,
        ])
        const gone = answer[0]?.gone ?? 0
        bodies += gone
        if (gone < batch) break
        if (!(await pause(breathMs, signal))) return { bodies, months: rows.map(({ month }) => month) }
      }
    }
    return { bodies, months: rows.map(({ month }) => month) }
  }
}

async function keptBy(tenantIds: readonly string[], { commands, clock }: Pick<RawRetention, 'commands' | 'clock'>): Promise<readonly Kept[]> {
  const today = Math.floor(clock().getTime() / dayMs) * dayMs
  const kept: Kept[] = []
  for (const tenantId of tenantIds) {
    const { state } = await commands.load(tenant, tenantId, tenantId)
    const days = rawDeliveriesDays(state.settings)
    if (days !== undefined) kept.push({ tenantId, before: new Date(today - days * dayMs) })
  }
  return kept
}

/**
 * Once a day, by one process. WAITING (another process has the lease) → PURGING → RESTING for a day, or for a quarter of an hour when it was disturbed.
 * Whoever takes the lease purges at once: there is nothing to remember, a second purge of the same day finds nothing.
 */
export async function runRawRetention({
  owner,
  log,
  signal,
  ...deps
}: RawRetention & { owner: string; log: Logger; signal: AbortSignal }): Promise<void> {
  const purge = createPurgeRawDeliveries(deps)
  await holdLease({ pool: deps.pool, name: 'raw-retention', owner, ttlMs: 60_000, signal }, async (_lease, held) => {
    do {
      try {
        const { bodies, months } = await purge(held)
        if (bodies > 0 || months.length > 0) log.info({ bodies, months }, 'raw deliveries were removed as their organisations wish')
        await pause(dayMs, held)
      } catch (error) {
        log.warn({ err: error }, 'raw deliveries could not be removed, trying again')
        await pause(dayMs / 96, held)
      }
    } while (!held.aborted)
  })
}
