import { constants, setPriority } from 'node:os'
import { DatabaseError, type Pool } from 'pg'
import { parentPort, workerData } from 'node:worker_threads'
import { ownCopy } from '../../domain/kernel/envelope.ts'
import type { LogScan } from '../../domain/kernel/log-scan.ts'
import { createBulkFold, PoisonedRebuild } from './bulk-fold.ts'
import { foldLog } from './fold-log.ts'
import type { ThreadFailure, ThreadTask, ThreadWord } from './fold-threads.ts'
import type { Projection } from './projection.ts'

const reportMs = 200

/** The other end of `foldInThreads`: folds its share of the log and ends. It is not told to stop: it is terminated. */
export async function serveFolds(
  projections: readonly Projection[],
  open: (connection: unknown, most: number) => { readonly pool: Pool; readonly scan: LogScan },
): Promise<void> {
  // On Linux that is this thread's alone: whoever answers requests beside it goes first. Work of 1 ms beside two busy threads: p99 50 ms instead of 120, on a
  // machine with six runnable threads a core.
  if (process.platform === 'linux') setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
  const { connection, models, part, through, budgetBytes } = workerData as ThreadTask
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port is no window
  const tell = (word: ThreadWord): void => parentPort?.postMessage(word)
  // One to read, and one for each table that is written meanwhile.
  const { pool, scan } = open(connection, Math.min(6, 1 + models.length))
  try {
    const folds = models.map(({ name, schema, parkedBefore }) => {
      const projection = projections.find((one) => one.name === name)
      if (projection === undefined) throw new Error(`this thread does not know ${name}`)
      return createBulkFold({ projection, schema, pool, parkedBefore })
    })
    let told = performance.now()
    await foldLog({ scan, budgetBytes }, folds, { through, ...(part.of === 1 ? {} : { part }) }, ({ through: position }) => {
      if (performance.now() - told < reportMs) return
      told = performance.now()
      tell({ word: 'at', position })
    })
    tell({ word: 'done', folded: folds.map(({ projection, counts, parked }) => ({ name: projection.name, counts: counts(), parked: parked() })) })
  } catch (error) {
    tell({ word: 'failed', failure: failureOf(error) })
  } finally {
    await pool.end()
  }
}

/** What of an error gets through to another thread. */
function failureOf(error: unknown): ThreadFailure {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  const { name, message } = error
  if (error instanceof PoisonedRebuild) {
    const cause = error.cause instanceof Error ? error.cause : new Error(String(error.cause))
    return { name, message, poisoned: { projection: error.projection, at: ownCopy(error.at), name: cause.name, message: cause.message } }
  }
  return { name, message, code: 'code' in error ? String(error.code) : undefined, ofDatabase: error instanceof DatabaseError }
}
