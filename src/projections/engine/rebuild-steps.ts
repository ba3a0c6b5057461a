import type { Pool, PoolClient } from 'pg'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import type { LogIndex } from '../../domain/kernel/log-index.ts'
import type { LogScan } from '../../domain/kernel/log-scan.ts'
import type { Position } from '../../domain/kernel/position.ts'
import type { Lease } from '../../postgres/lease.ts'
import type { BulkFold } from './bulk-fold.ts'
import { foldLog } from './fold-log.ts'
import type { FoldThreads } from './fold-threads.ts'
import type { Projection } from './projection.ts'
import { rebuildOf, type Rebuild, type RebuildRow, type RebuildState } from './rebuilds.ts'
import { Superseded } from './switch.ts'

export type Rebuilding = {
  readonly projections: readonly Projection[]
  readonly store: Pick<EventStore, 'head' | 'readAll' | 'readStream' | 'distance'>
  readonly scan: LogScan
  readonly index: Pick<LogIndex, 'eventsOf'>
  /** Connections of the role recado_worker. */
  readonly pool: Pool
  /** Of the tables' owner, with `pipeline: false` and without a limit for statements; at least 4. */
  readonly copyPool: Pool
  /** Another one for every process and every start of it. */
  readonly owner: string
  /** Where whole generations are folded beside this thread; without it, in it. */
  readonly threads?: FoldThreads | undefined
  /** Bytes of rows in memory before the coldest are written out (96 MB; 40 MB for all threads together, each of which has a heap of its own beside it). */
  readonly budgetBytes?: number
  readonly onProgress?: (rebuild: Rebuild) => void
}

/** One process's hold on a rebuild: every step is a compare-and-set on its token and state, so what lost it or was aborted gets no further. */
export type Claim = {
  readonly rebuild: () => Rebuild
  /** @throws Superseded */
  readonly advance: (to: RebuildState, set?: Readonly<Record<string, unknown>>) => Promise<void>
  /** Stores figures without leaving the state. @throws Superseded */
  readonly report: (set: Readonly<Record<string, unknown>>) => Promise<void>
  /** Whether it is still ours and wanted; disturbs no step that is under way. @throws Superseded */
  readonly check: () => Promise<void>
  /** As part of a transaction of somebody else: locks the rebuild as it is. @throws Superseded */
  readonly within: (client: PoolClient) => Promise<void>
  readonly signal: AbortSignal
}

/** @throws Superseded when it is over, or somebody with a later token has it. */
export async function claimRebuild({ pool, onProgress }: Rebuilding, id: string, lease: Lease, signal: AbortSignal): Promise<Claim> {
  let known = await update(
    `token = $2, attempts = attempts + 1, started_at = coalesce(started_at, clock_timestamp())
     where id = $1 and token < $2 and state not in ('live', 'aborted', 'failed')`,
    [],
  )

  async function update(text: string, values: readonly unknown[]): Promise<Rebuild> {
    const { rows } = await pool.query<RebuildRow>(`update es.rebuilds set updated_at = clock_timestamp(), ${text} returning *`, [
      id,
      lease.token,
      ...values,
    ])
    if (rows[0] === undefined) throw new Superseded(`the rebuild ${id} was aborted or is in other hands`)
    const rebuild = rebuildOf(rows[0])
    onProgress?.(rebuild)
    return rebuild
  }
  // The names of the columns are ours; the values are parameters.
  async function set(state: RebuildState, to: RebuildState, values: Readonly<Record<string, unknown>>): Promise<void> {
    const columns = Object.keys(values).map((column, index) => `, ${column} = $${index + 5}`)
    const ended = to === 'live' || to === 'failed' ? ', ended_at = clock_timestamp()' : ''
    known = await update(`state = $4 ${ended} ${columns.join('')} where id = $1 and token = $2 and state = $3`, [state, to, ...Object.values(values)])
  }

  return {
    rebuild: () => known,
    advance: async (to, values = {}) => set(known.state, to, values),
    report: async (values) => set(known.state, known.state, values),
    async check() {
      const { rowCount } = await pool.query(`select from es.rebuilds where id = $1 and token = $2 and state not in ('aborted', 'failed')`, [
        id,
        lease.token,
      ])
      if (rowCount === 0) throw new Superseded(`the rebuild ${id} was aborted or is in other hands`)
    },
    async within(client) {
      const { rowCount } = await client.query('select from es.rebuilds where id = $1 and token = $2 and state = $3 for update', [
        id,
        lease.token,
        known.state,
      ])
      if (rowCount === 0) throw new Superseded(`the rebuild ${id} was aborted or is in other hands`)
    },
    signal,
  }
}

const reportMs = 500
/** Of the mean's weight after so long: figures calm down without going to sleep. */
const settleMs = 10_000

/** Copies the log up to `target` through these folds, all in one pass, and tells how far it is. */
export async function copyLog(
  rebuilding: Pick<Rebuilding, 'scan' | 'index' | 'budgetBytes'>,
  claim: Claim,
  folds: readonly BulkFold[],
  target: Position,
): Promise<void> {
  const { tenantId } = claim.rebuild()
  let done = 0
  // Of the whole log every event counts, looked at or passed over; of one tenant's those that were looked at.
  const report = createReport(claim, target, async (position) => (tenantId === undefined ? rebuilding.index.eventsOf(undefined, position) : done))
  await foldLog(rebuilding, folds, { through: target, tenantId, signal: claim.signal }, ({ through, events }) => {
    done += events
    return report(through)
  })
}

/** Stores how far it is and how fast, from time to time. */
export function createReport(claim: Claim, target: Position, doneAt: (position: Position) => Promise<number>): (position: Position) => Promise<void> {
  let rate: number | undefined
  let last = { at: performance.now(), done: 0 }
  return async (position) => {
    const now = performance.now()
    if (now - last.at < reportMs && position < target) return
    const before = last
    last = { at: now, done: before.done }
    const done = await doneAt(position)
    const present = (1_000 * (done - before.done)) / Math.max(1, now - before.at)
    const weight = rate === undefined ? 1 : 1 - Math.exp((before.at - now) / settleMs)
    rate = (rate ?? present) * (1 - weight) + present * weight
    last = { at: now, done }
    await claim.report({ position, events_done: done, events_per_second: rate })
  }
}

/** How much there is to copy, in what `events_done` counts. */
export async function measure({ index, store }: Rebuilding, tenantId: string | undefined): Promise<{ target: Position; total: number }> {
  const { position: target } = await store.head()
  return { target, total: await index.eventsOf(tenantId, target) }
}
