import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import { mediaIdOf } from '../../../domain/media/media.ts'
import { addJobs, hurryJobs, runJobs, type JobSpec } from '../../../postgres/jobs.ts'
import { checkpointStatement, holdLease, isLeaseLost, type Lease } from '../../../postgres/lease.ts'
import { pause } from '../../../postgres/pause.ts'
import { inTransaction } from '../../../postgres/transaction.ts'
import { bringing, bringingTypes, createFetchMedia, fetchJob, type FetchDeps, type FetchJob, type WithMedia } from '../../media/fetch-media.ts'
import { createPurgeMedia, purgeJob, type PurgeJob } from '../../media/purge-media.ts'
import { createEraseFiles, type ErasedPeople } from './erased-people.ts'

export type MediaProcess = FetchDeps &
  ErasedPeople & {
    readonly events: EventStore
    readonly pool: Pool
    /** For graphile-worker, which keeps one connection to listen on. */
    readonly jobsPool: Pool
    readonly owner: string
    readonly log: Logger
    readonly pollMs?: number
    readonly eraseEveryMs?: number
  }

const fetchTask = 'fetch-media'
const purgeTask = 'purge-media'
const eraseEveryMs = 60_000
const leaseMs = 10_000
/** Files fetched at once: each holds a quarter of a megabyte at most, and Meta's line is the slow part. One of the places goes round among the tenants. */
const concurrency = 4
/** graphile-worker's pauses grow to six hours: 60 tries take two weeks, more than a file lives. */
const maxAttempts = 60

const types = [...bringingTypes, 'MediaErased', 'ChannelConnected', 'ChannelCredentialsChanged'] as const

/**
 * Customers' files, fetched as they are announced, and removed when they are erased. Three leases, each of one process at a time:
 * `media` reads the log and writes jobs in the transaction of its checkpoint, so that every file has its job and none has two;
 * `media-jobs` runs them; `media-erasure` erases the files of people whose keys were destroyed. A channel that is connected or gets a new token hurries the jobs that wait for it.
 */
export async function runMedia(process: MediaProcess, signal: AbortSignal): Promise<void> {
  const fetchMedia = createFetchMedia(process)
  const purge = createPurgeMedia(process)
  const eraseFiles = createEraseFiles(process)
  const tasks = {
    [fetchTask]: async (payload: unknown, one: { attempt: number; signal: AbortSignal }) => fetchMedia(fetchJob.parse(payload), one),
    [purgeTask]: async (payload: unknown) => purge(purgeJob.parse(payload)),
  }
  await Promise.all([
    underLease(process, 'media', signal, (lease, held) => follow(process, lease, held)),
    underLease(process, 'media-jobs', signal, (_lease, held) =>
      runJobs(
        { pool: process.jobsPool, tasks, concurrency, log: process.log, ...(process.pollMs === undefined ? {} : { pollMs: process.pollMs }) },
        held,
      ),
    ),
    underLease(process, 'media-erasure', signal, async (_lease, held) => {
      do {
        const files = await eraseFiles(held)
        if (files > 0) process.log.info({ files }, 'files of people who were erased go')
      } while (await pause(process.eraseEveryMs ?? eraseEveryMs, held))
    }),
  ])
}

async function underLease(
  { pool, owner, log }: MediaProcess,
  name: string,
  signal: AbortSignal,
  work: (lease: Lease, held: AbortSignal) => Promise<void>,
): Promise<void> {
  const onChange = (change: string, error?: unknown): void => log.debug({ lease: name, change, err: error }, 'media lease')
  await holdLease({ pool, name, owner, ttlMs: leaseMs, signal, onChange }, async (lease, held) => {
    try {
      await work(lease, held)
    } catch (error) {
      if (isLeaseLost(error)) throw error
      if (held.aborted) return
      log.error({ err: error, lease: name }, 'media disturbed, starting again')
      await pause(500, held)
    }
  })
}

async function follow({ events, pool }: MediaProcess, lease: Lease, signal: AbortSignal): Promise<void> {
  let from = lease.position
  let savedAt = performance.now()
  for await (const delivery of events.subscribe({ after: from, filter: { types }, signal })) {
    if (delivery.kind === 'caught-up' || delivery.through <= from) continue
    const jobs = delivery.events.flatMap(jobOf)
    const mended = delivery.events.flatMap(({ type, stream }) => (type.startsWith('Channel') ? [keyPrefix(stream.tenantId, stream.id)] : []))
    // A page without work is saved with the next one, or after a second.
    if (jobs.length === 0 && mended.length === 0 && performance.now() - savedAt < 1_000) continue
    await inTransaction(pool, async (client) => {
      await client.query(checkpointStatement({ ...lease, from, to: delivery.through }))
      await addJobs(client, jobs)
      for (const prefix of new Set(mended)) await hurryJobs(client, prefix)
    })
    from = delivery.through
    savedAt = performance.now()
  }
}

/** Half a year of a phone's pictures comes at once, and somebody looks at the one that was sent just now. */
const isLive = (event: WithMedia): boolean => event.type === 'MessageReceived' || (event.type === 'MessageRecorded' && event.origin === 'phone')

const keyPrefix = (tenantId: string, channelId: string): string => `media:${tenantId}:${channelId}:`

function jobOf(recorded: RecordedEvent): readonly JobSpec[] {
  if (recorded.type === 'MediaErased') {
    const { tenantId, id: mediaId } = recorded.stream
    return [{ task: purgeTask, key: `purge:${tenantId}:${mediaId}`, payload: { tenantId, mediaId } satisfies PurgeJob, maxAttempts, owner: tenantId }]
  }
  if (recorded.stream.category !== 'conversation') return []
  const event = bringing(recorded)
  if (event === undefined) return []
  const { tenantId, id: conversationId } = recorded.stream
  const payload: FetchJob = { tenantId, conversationId, version: recorded.version }
  const key = keyPrefix(tenantId, event.channelId) + mediaIdOf(tenantId, event.messageId)
  return [{ task: fetchTask, key, payload, maxAttempts, priority: isLive(event) ? 0 : 10, owner: tenantId }]
}
