import { DatabaseError } from 'pg'
import type { Logger } from 'pino'
import { StoreUnavailable } from '../../domain/kernel/event-store.ts'
import { holdLease, isLeaseLost, type Lease } from '../../postgres/lease.ts'
import { pause } from '../../postgres/pause.ts'
import { PoisonedRebuild } from './bulk-fold.ts'
import { purgeGenerations } from './generations.ts'
import { rebuildGenerations } from './rebuild-generation.ts'
import { claimRebuild, type Claim, type Rebuilding } from './rebuild-steps.ts'
import { rebuildTenant } from './rebuild-tenant.ts'
import type { RebuildError } from './rebuilds.ts'
import { Superseded } from './switch.ts'

const purgeEveryMs = 60_000

/**
 * Does the rebuilds that were asked for, until `signal`: one at a time in this process, each under a lease of its own, so that another process goes on
 * with it from the state it is in when this one dies. A rebuild is taken by a process that has all of its read models in the very versions: old and new
 * code may run side by side.
 */
export async function runRebuilds(
  rebuilding: Rebuilding & { readonly signal: AbortSignal; readonly log: Logger; readonly leaseMs?: number; readonly pollMs?: number },
): Promise<void> {
  const { pool, copyPool, signal, log, pollMs = 500 } = rebuilding
  let purged = Number.NEGATIVE_INFINITY
  do {
    try {
      if (performance.now() - purged > purgeEveryMs) {
        purged = performance.now()
        const gone = await purgeGenerations(copyPool)
        if (gone.length > 0) log.info({ schemas: gone }, 'generations of read models were dropped')
      }
      const { rows } = await pool.query<{ id: string; projections: string[]; versions: number[] }>({
        name: 'open_rebuilds',
        text: `select id, projections, versions from es.rebuilds where state not in ('live', 'aborted', 'failed') order by created_at`,
      })
      for (const open of rows) if (isOurs(rebuilding, open)) await workOn(rebuilding, open.id)
    } catch (error) {
      log.warn({ err: error }, 'rebuilds could not be looked for')
    }
  } while (await pause(pollMs, signal))
}

const isOurs = ({ projections }: Rebuilding, open: { projections: readonly string[]; versions: readonly number[] }): boolean =>
  open.projections.every((name, place) => projections.some((one) => one.name === name && one.version === open.versions[place]))

/** Returns when it is over, or when another process has it. */
async function workOn(rebuilding: Parameters<typeof runRebuilds>[0], id: string): Promise<void> {
  const { pool, owner, signal, leaseMs = 10_000 } = rebuilding
  const log = rebuilding.log.child({ rebuild: id })
  const done = new AbortController()
  let disturbances = 0
  const onChange = (change: string): void => {
    if (change === 'denied') done.abort()
  }
  await holdLease(
    { pool, name: `rebuild ${id}`, owner, ttlMs: leaseMs, stays: true, signal: AbortSignal.any([signal, done.signal]), onChange },
    async (lease, held) => {
      try {
        await rebuild(rebuilding, id, lease, held)
        done.abort()
      } catch (error) {
        if (error instanceof Superseded) {
          log.info({ why: error.message }, 'a rebuild is not ours any more')
          return done.abort()
        }
        if (signal.aborted || held.aborted || isLeaseLost(error)) return
        if (isDisturbance(error) && disturbances < 20) {
          log.warn({ err: error }, 'a rebuild was disturbed and goes on')
          await pause(Math.min(10_000, 200 * 2 ** Math.min(disturbances++, 6)), held)
          return
        }
        log.error({ err: error }, 'a rebuild failed')
        await fail(rebuilding, id, lease, error)
        await purgeGenerations(rebuilding.copyPool).catch(() => undefined)
        done.abort()
      }
    },
  )
}

async function rebuild(rebuilding: Rebuilding & { log: Logger }, id: string, lease: Lease, held: AbortSignal): Promise<void> {
  const over = new AbortController()
  const claim: Claim = await claimRebuild(rebuilding, id, lease, AbortSignal.any([held, over.signal]))
  const { projections: names, tenantId, kind } = claim.rebuild()
  const projections = names.flatMap((name) => rebuilding.projections.filter((one) => one.name === name))
  const started = performance.now()
  // An abort has to stop also what is between two steps for long (an index, a scan that finds nothing).
  const watching = setInterval(() => {
    claim.check().catch((error: unknown) => {
      if (error instanceof Superseded) over.abort(error)
    })
  }, 1_000)
  try {
    if (tenantId === undefined) await rebuildGenerations(rebuilding, claim, projections)
    else await restartTenant(rebuilding, claim, projections, tenantId)
  } catch (error) {
    throw over.signal.aborted ? over.signal.reason : error
  } finally {
    clearInterval(watching)
    await purgeGenerations(rebuilding.copyPool).catch(() => undefined)
  }
  const { eventsTotal } = claim.rebuild()
  const seconds = Math.round((performance.now() - started) / 100) / 10
  rebuilding.log.info({ projections: names, kind, events: eventsTotal, seconds }, 'a rebuild of read models went live')
}

/** Whatever a dead process left of one tenant's is not gone on with. */
async function restartTenant(
  rebuilding: Rebuilding,
  claim: Claim,
  projections: Parameters<typeof rebuildTenant>[2],
  tenantId: string,
): Promise<void> {
  if (claim.rebuild().state !== 'created') await claim.advance('created')
  await rebuildTenant(rebuilding, claim, projections, tenantId)
}

async function fail({ pool }: Rebuilding, id: string, lease: Lease, error: unknown): Promise<void> {
  await pool.query(
    `update es.rebuilds set state = 'failed', ended_at = clock_timestamp(), updated_at = clock_timestamp(), error = $3
     where id = $1 and token = $2 and state not in ('live', 'aborted', 'failed')`,
    [id, lease.token, JSON.stringify(shown(error))],
  )
}

/** The event and the reason; what PostgreSQL says of a value it refuses may quote it, so only its code is shown. */
function shown(error: unknown): RebuildError {
  if (error instanceof PoisonedRebuild)
    return { code: 'event_refused', detail: error.message.slice(0, 500), position: error.at.position, type: error.at.type }
  if (error instanceof DatabaseError) return { code: 'database_refused', detail: `PostgreSQL refused a row or a statement (${error.code ?? '?'})` }
  if (error instanceof Error && error.name === 'NotVerified') return { code: 'not_verified', detail: error.message }
  if (error instanceof Error && error.name === 'TooManyParked') return { code: 'too_many_parked', detail: error.message }
  return { code: 'internal', detail: error instanceof Error ? error.name : 'unknown' }
}

/** Connections, restarts, locks, deadlocks, room on the disk: they say nothing about the rebuild. */
function isDisturbance(error: unknown): boolean {
  if (error instanceof StoreUnavailable) return true
  if (!(error instanceof Error)) return false
  if (error instanceof DatabaseError) return ['08', '40', '53', '55', '57', '58'].includes((error.code ?? '').slice(0, 2))
  const code = 'code' in error ? String(error.code) : ''
  return /^E[A-Z]+$/.test(code) || /terminated|timeout|Connection/i.test(error.message)
}
