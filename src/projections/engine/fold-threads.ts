import { DatabaseError } from 'pg'
import { setFlagsFromString } from 'node:v8'
import { Worker } from 'node:worker_threads'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { start, type Position } from '../../domain/kernel/position.ts'
import { PoisonedRebuild, type ParkedBefore } from './bulk-fold.ts'
import type { Parked } from './fold-page.ts'
import type { Projection } from './projection.ts'

// The folding of a rebuild in threads of its own, each with its connections and its share of the streams: what a row is made of is in one stream, so no
// thread needs what another one has. Read models that say nothing of the kind (neither `home` nor `within`) have all of their streams in one thread.
// The log is read by each thread for itself: ADR 0042.

/** Where folding may go on beside the thread that everybody else lives in. */
export type FoldThreads = {
  /** A module that calls `serveFolds` with read models of the same names. */
  readonly entry: URL
  /** What that module is told: where the database is. */
  readonly connection: unknown
  /** Into how many parts streams are dealt (2: PostgreSQL needs the other half of each core). */
  readonly parts?: number
  /** A log with fewer events is folded sooner than threads are there (50,000). */
  readonly leastEvents?: number
}

/** One read model to fold: into which schema, and what is known of its parked events. */
export type FoldTask = { readonly name: string; readonly schema: string; readonly parkedBefore: ParkedBefore }

/** What a thread begins with. */
export type ThreadTask = {
  readonly connection: unknown
  readonly models: readonly FoldTask[]
  readonly part: { readonly nth: number; readonly of: number }
  readonly through: Position
  readonly budgetBytes: number
}

/** What a thread tells. */
export type ThreadWord =
  | { readonly word: 'at'; readonly position: Position }
  | { readonly word: 'done'; readonly folded: readonly Folded[] }
  | { readonly word: 'failed'; readonly failure: ThreadFailure }

export type ThreadFailure = {
  readonly name: string
  readonly message: string
  /** Of PostgreSQL or of the socket. */
  readonly code?: string | undefined
  readonly ofDatabase?: boolean
  readonly poisoned?: { readonly projection: string; readonly at: RecordedEvent; readonly name: string; readonly message: string }
}

/** What a fold leaves behind beside the rows. */
export type Folded = { readonly name: string; readonly counts: Readonly<Record<string, number>>; readonly parked: readonly Parked[] }

const [defaultParts, defaultLeastEvents] = [2, 50_000]
/**
 * For the rows of all threads together. Each thread has a heap of its own beside it, so less than one that folds alone: of a million events, both read
 * models of the inbox took 640 MB of the process with 96 MB here, 476 MB with 40 MB in nearly the same time; with 32 MB so much is spilled that it takes a third longer.
 */
const threadsBudgetBytes = 40 * 1024 * 1024

export const isWorthThreads = ({ leastEvents = defaultLeastEvents }: FoldThreads, events: number): boolean => events >= leastEvents

/** @throws what a thread failed with, as it would have been thrown here; `signal`'s reason when it is aborted. No thread is left then, and nothing is written any more. */
export async function foldInThreads(
  { entry, connection, parts = defaultParts }: FoldThreads,
  {
    models,
    through,
    budgetBytes = threadsBudgetBytes,
    signal,
    onProgress,
  }: {
    models: readonly (FoldTask & { readonly projection: Projection })[]
    through: Position
    budgetBytes?: number | undefined
    signal: AbortSignal
    onProgress: (position: Position) => void
  },
): Promise<readonly Folded[]> {
  signal.throwIfAborted()
  const inStreams = models.filter(({ projection }) => projection.home !== undefined || projection.within !== undefined)
  const others = models.filter((model) => !inStreams.includes(model))
  const shares = [
    ...(inStreams.length === 0 ? [] : Array.from({ length: parts }, (_, nth) => ({ models: inStreams, part: { nth, of: parts } }))),
    ...(others.length === 0 ? [] : [{ models: others, part: { nth: 0, of: 1 } }]),
  ]
  const places = shares.map(() => start)
  // A thread does nothing but fold: a quarter of the young generation that the program has costs it no more time, and 60 to 80 MB less for two of them.
  // The flag of the program's start would win over `resourceLimits`; set anew, it counts for threads that come.
  setFlagsFromString('--max-semi-space-size=8')
  const threads = shares.map((share) => {
    const told = share.models.map(({ name, schema, parkedBefore }): FoldTask => ({ name, schema, parkedBefore }))
    const task: ThreadTask = { connection, models: told, part: share.part, through, budgetBytes: budgetBytes / shares.length }
    return new Worker(entry, { workerData: task, name: 'fold' })
  })
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason as Error)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    const all = Promise.all(
      threads.map(async (thread, nth) =>
        outcome(thread, (position) => {
          places[nth] = position
          onProgress(places.reduce((a, b) => (b < a ? b : a)))
        }),
      ),
    )
    return merged((await Promise.race([all, aborted])).flat())
  } finally {
    signal.removeEventListener('abort', onAbort)
    // Like a kill: what was under way is rolled back by the server, which misses its client.
    await Promise.all(threads.map(async (thread) => thread.terminate()))
  }
}

/** Resolves when the thread has ended, with its connections. */
function outcome(thread: Worker, onAt: (position: Position) => void): Promise<readonly Folded[]> {
  return new Promise((resolve, reject) => {
    let folded: readonly Folded[] | undefined
    thread.on('message', (told: ThreadWord) => {
      switch (told.word) {
        case 'at':
          return onAt(told.position)
        case 'done':
          folded = told.folded
          return
        case 'failed':
          return reject(revived(told.failure))
        default:
          told satisfies never
      }
    })
    thread.on('error', reject)
    thread.on('exit', (code) => (folded === undefined ? reject(new Error(`a thread that folds ended with ${code}`)) : resolve(folded)))
  })
}

function revived({ name, message, code, ofDatabase, poisoned }: ThreadFailure): Error {
  if (poisoned !== undefined)
    return new PoisonedRebuild(poisoned.projection, poisoned.at, Object.assign(new Error(poisoned.message), { name: poisoned.name }))
  const error = ofDatabase === true ? new DatabaseError(message, 0, 'error') : Object.assign(new Error(message), { name })
  return code === undefined ? error : Object.assign(error, { code })
}

/** The parts of each read model put together: no row is in two of them. */
function merged(all: readonly Folded[]): readonly Folded[] {
  return [...Map.groupBy(all, ({ name }) => name)].map(([name, parts]) => {
    const counts: Record<string, number> = {}
    for (const part of parts) for (const [tenantId, rows] of Object.entries(part.counts)) counts[tenantId] = (counts[tenantId] ?? 0) + rows
    const parked = parts.flatMap((part) => part.parked).sort((a, b) => (a.at.position < b.at.position ? -1 : 1))
    return { name, counts, parked }
  })
}
