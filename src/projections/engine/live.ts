import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { EventSource, SourceDelivery } from '../../domain/kernel/event-source.ts'
import { start, type Position } from '../../domain/kernel/position.ts'
import { holdLease, isLeaseLost, LeaseLost, type Lease } from '../../postgres/lease.ts'
import { untilFree } from '../../postgres/lease-watch.ts'
import { pause } from '../../postgres/pause.ts'
import { isPoison, TooManyParked } from './failures.ts'
import { generationOf, prepareReadModels } from './generations.ts'
import { schemaOf, subscriptionOf } from './naming.ts'
import { createPageWriter, readParkedKeys } from './page-writer.ts'
import type { Projection } from './projection.ts'
import { placeAt } from './source-places.ts'
import { workLine } from '../../postgres/work-line.ts'

export type Applied = { readonly projection: string; readonly position: Position }

export type RunProjection = {
  readonly projection: Projection
  /** The log, or what carries it on. */
  readonly store: EventSource
  /** Connections of the role recado_worker. */
  readonly pool: Pool
  /** Connections of the login user, who owns the tables: used at the start only. */
  readonly ownerPool: Pool
  /** Another one for every process and every start of it. */
  readonly owner: string
  readonly signal: AbortSignal
  readonly log: Logger
  /** Every event up to this position is in the read model that queries see. */
  readonly onApplied?: (applied: Applied) => void
  /** Events of these tenants could not be applied and wait for a person. Told once more at every start. */
  readonly onParked?: (parked: { readonly projection: string; readonly tenantIds: readonly string[] }) => void
  readonly pageSize?: number
  /** Rows kept in memory, so that what was just written need not be read (8,000). */
  readonly hotRows?: number
  readonly leaseMs?: number
  readonly mostParkedRows?: number
}

/** A page without anything for this read model costs no commit of its own: this is how long the checkpoint in the database may be behind. */
const saveAfterMs = 1_000
/** See `unhurried`: a page that is not full waits for more behind it this long. */
const gatherMs = 250
const lookAgainMs = 5_000

/**
 * Keeps one read model up to date, until `signal`.
 *
 * BUILDING (a new version: a rebuild fills it beside the live one) → WAITING (another process holds the lease) → LIVE ⇄ CAREFUL (one page at a time, a
 * poisonous event is on it);
 * PAUSED (too many rows are parked) → LIVE when they were dealt with. Disturbed by the database or the store it goes back to WAITING and on from the checkpoint.
 * Invariant: a page's rows and its checkpoint are one transaction that begins with a compare-and-set on (token, position), so every event is applied once,
 * whatever crashes and whoever else believes to be the writer.
 */
export async function runProjection(options: RunProjection): Promise<void> {
  const { projection, pool, owner, signal, leaseMs = 10_000 } = options
  const name = subscriptionOf(projection)
  const log = options.log.child({ projection: name })
  let carefulThrough: Position = start
  let disturbances = 0

  async function recover(error: unknown, lease: Lease, held: AbortSignal): Promise<void> {
    if (error instanceof TooManyParked) {
      log.error(
        { err: error },
        'PAUSED: too many rows wait behind events that could not be applied; the read model stands still until they are resolved',
      )
      return untilResolved(options, lease, held)
    }
    if (error instanceof PageFailed && isPoison(error.cause)) {
      log.warn({ err: error.cause, through: error.through }, 'a page holds an event that cannot be applied: looking for it')
      carefulThrough = error.through
      return
    }
    log.warn({ err: error instanceof PageFailed ? error.cause : error }, 'disturbed, going on from the checkpoint')
    await pause(Math.min(10_000, 100 * 2 ** Math.min(disturbances++, 7)) * (0.5 + Math.random()), held)
  }

  await prepared(options, log)
  while (await isLive(options)) {
    // The lease of a version that is not live (any more) belongs to its rebuild: whoever is denied it looks again before asking again.
    const again = new AbortController()
    const onChange = (change: string, error?: unknown): void => {
      log.debug({ change, err: error }, 'projection lease')
      if (change === 'denied') again.abort()
    }
    await holdLease({ pool, name, owner, ttlMs: leaseMs, signal: AbortSignal.any([signal, again.signal]), onChange }, async (lease, held) => {
      try {
        if ((await generationOf(pool, projection))?.state !== 'live') return again.abort()
        await follow(options, lease, held, { carefulThrough, onProgress: () => (disturbances = 0) })
      } catch (error) {
        if (isLeaseLost(error) || (error instanceof PageFailed && isLeaseLost(error.cause))) throw new LeaseLost(name, { cause: error })
        if (!held.aborted) await recover(error, lease, held)
      }
    })
    await untilFree(pool, { name, owner }, leaseMs / 5, signal)
  }
}

const liveYetMs = 300

/** Waits until a rebuild has made this version the live one; false when we are to end before. */
async function isLive({ pool, projection, signal }: RunProjection): Promise<boolean> {
  while (!signal.aborted) {
    const generation = await generationOf(pool, projection).catch(() => undefined)
    if (generation?.state === 'live') return true
    await pause(liveYetMs, signal)
  }
  return false
}

/** Before the lease is asked for: a version that was never here, or was replaced and is wanted back, has no tables yet. */
async function prepared({ ownerPool, projection, signal }: RunProjection, log: Logger): Promise<void> {
  do {
    try {
      await prepareReadModels(ownerPool, [projection])
      return
    } catch (error) {
      log.warn({ err: error }, 'the tables of a read model could not be made, trying again')
    }
  } while (await pause(1_000, signal))
}

class PageFailed extends Error {
  override readonly name = 'PageFailed'
  readonly through: Position
  constructor(through: Position, cause: unknown) {
    super('a page could not be written', { cause })
    this.through = through
  }
}

/** One holding of the lease: from its checkpoint on, until it ends. A switch to other tables ends it: the token is no longer good then. */
async function follow(
  options: RunProjection,
  lease: Lease,
  held: AbortSignal,
  { carefulThrough, onProgress }: { carefulThrough: Position; onProgress: () => void },
): Promise<void> {
  const { projection, store, pool, onApplied, pageSize = 1_000, hotRows = 8_000 } = options
  const onParked = (tenantIds: readonly string[]): void => options.onParked?.({ projection: projection.name, tenantIds })
  const writer = await createPageWriter({ projection, schema: schemaOf(projection), pool, lease, hotRows: Math.max(hotRows, 4 * pageSize), onParked })
  const failed = new AbortController()
  const line = workLine((error) => failed.abort(error))
  const saving = setInterval(() => line.add(() => writer.save()), saveAfterMs)

  const applied = (position: Position): void => {
    const { mostParkedRows = 100 } = options
    if (writer.parkedRows() > mostParkedRows) throw new TooManyParked(`${writer.parkedRows()} rows of ${lease.name} wait behind events`)
    onProgress()
    onApplied?.({ projection: projection.name, position })
  }

  async function take({ events, through, place }: Extract<SourceDelivery, { kind: 'page' }>): Promise<void> {
    if (through <= carefulThrough) {
      await line.empty()
      await writer.applyCarefully(events, through, place)
      return applied(through)
    }
    const failing = (error: unknown): never => {
      throw new PageFailed(through, error)
    }
    // Folded while the page before is still being committed; one page is in flight.
    const prepared = await writer.prepare(events).catch(failing)
    await line.empty()
    line.add(async () => {
      await writer.commit(prepared, through, place).catch(failing)
      applied(through)
    })
  }

  try {
    applied(lease.position)
    await setStatus(pool, lease, 'live')
    const signal = AbortSignal.any([held, failed.signal])
    const place = await placeAt(pool, lease.name, lease.position)
    const filter = { types: projection.handles }
    for await (const delivery of store.subscribe({ name: lease.name, after: lease.position, place, filter, signal, pageSize })) {
      if (delivery.kind === 'page') {
        await take(delivery)
        if (projection.unhurried === true && delivery.events.length < pageSize) await pause(gatherMs, signal)
        continue
      }
      await line.empty()
      // Nothing to write, and still a place that was reached: for whoever asks the database how far it is.
      await writer.commit({ changes: new Map(), parked: [], newlyParked: [] }, delivery.through, delivery.place)
      applied(delivery.through)
    }
    await line.empty()
    await writer.save() // spares the next start a few empty pages
  } finally {
    clearInterval(saving)
  }
}

async function setStatus(pool: Pool, lease: Lease, status: 'live' | 'paused', failure?: unknown): Promise<void> {
  await pool.query('update es.subscriptions set status = $3, failure = $4 where name = $1 and fencing_token = $2', [
    lease.name,
    lease.token,
    status,
    failure === undefined ? null : JSON.stringify(failure),
  ])
}

async function untilResolved({ pool, mostParkedRows = 100 }: RunProjection, lease: Lease, held: AbortSignal): Promise<void> {
  const failure = { code: 'too_many_parked', detail: `more than ${mostParkedRows} rows wait`, at: new Date().toISOString() }
  const tell = (): Promise<boolean> =>
    setStatus(pool, lease, 'paused', failure).then(
      () => true,
      () => false,
    )
  // Only for the operator to see: a database that is away for a moment ends neither the pause nor the process.
  let told = await tell()
  while (await pause(lookAgainMs, held)) {
    told ||= await tell()
    const parked = await readParkedKeys(pool, lease.name).catch(() => undefined)
    if (parked !== undefined && parked.size <= mostParkedRows) return
  }
}
