import type { Pool } from 'pg'
import type { Logger } from 'pino'
import { holdLease } from '../../../postgres/lease.ts'
import { pause } from '../../../postgres/pause.ts'
import { createForgetAddresses, type AddressRetention } from './addresses.ts'
import { createPurgeRawDeliveries, type RawRetention } from './raw-deliveries.ts'

const dayMs = 86_400_000

/**
 * Once a day, by one process: what organisations do not keep any longer goes. WAITING (another process has the lease) → PURGING → RESTING for a day, or for a
 * quarter of an hour when it was disturbed. Whoever takes the lease begins at once: there is nothing to remember, a second round of a day finds nothing.
 */
export async function runRetention({
  pool,
  owner,
  log,
  signal,
  ...deps
}: RawRetention & AddressRetention & { pool: Pool; owner: string; log: Logger; signal: AbortSignal }): Promise<void> {
  const purge = createPurgeRawDeliveries({ pool, ...deps })
  const forgetAddresses = createForgetAddresses(deps)
  await holdLease({ pool, name: 'retention', owner, ttlMs: 60_000, signal }, async (_lease, held) => {
    do {
      try {
        const { bodies, months } = await purge(held)
        if (bodies > 0 || months.length > 0) log.info({ bodies, months }, 'raw deliveries were removed as their organisations wish')
        const keys = await forgetAddresses(held)
        if (keys > 0) log.info({ keys }, 'the addresses that requests came from were forgotten, a month each')
        await pause(dayMs, held)
      } catch (error) {
        log.warn({ err: error }, 'what is not kept any longer could not be removed, trying again')
        await pause(dayMs / 96, held)
      }
    } while (!held.aborted)
  })
}
