import type { Pool } from 'pg'
import { noAttachments, type AttachmentSeal } from '../../../domain/kernel/attachments.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore, LogPage, LogRead } from '../../../domain/kernel/event-store.ts'
import { positionOf } from '../../../domain/kernel/position.ts'
import type { StreamRef } from '../../../domain/kernel/stream.ts'
import type { Clock } from '../../../domain/kernel/clock.ts'
import { keepMonthsAhead } from './attachment-months.ts'
import { createGroupCommit, type BatchInfo } from './group-commit.ts'
import { readHead, readPage, readStreamPages } from './read-log.ts'
import { createStreamLoads, headLength } from './stream-loads.ts'
import { createSubscriptions } from './subscribe.ts'
import { createTail } from './tail.ts'

export type PostgresEventStoreOptions = {
  /** Connections as `recado_worker`; one per lane is kept, and two or three more serve the readers. The pool stays the caller's to end. */
  readonly pool: Pool
  /** Where LISTEN works: a direct connection, not through a pooler in transaction mode. */
  readonly listenUrl: string
  /** Batches that may be under way at once (2). */
  readonly lanes?: number
  /** Appends that may wait before callers are sent away (5,000), and what they may weigh (64 MiB). */
  readonly maxQueue?: number
  readonly maxQueueBytes?: number
  /**
   * How much of the tail is kept in memory while there are subscribers (12,000 events, 32 MiB). A trade: with 2,000 the events die young and webhooks alone are
   * acknowledged 1.2 times as fast, but an intake that falls behind under a flood has to read from the database (2.1 k messages/s visible instead of 2.7 k).
   */
  readonly tail?: { readonly events: number; readonly bytes: number }
  /** Time of the events, for tests; the database's own clock otherwise. */
  readonly clock?: Clock
  readonly onBatch?: (info: BatchInfo) => void
  /** Appends were refused after all their tries: the database is away, or has no room. */
  readonly onGivenUp?: (error: unknown) => void
  /** How attachments are kept. Without it there are none: neither stored nor read. */
  readonly attachments?: AttachmentSeal
}

const mebibyte = 1024 * 1024

/** The log on PostgreSQL: group commit in front of `es.append`, the tail in memory. Needs the migrations, and a pool whose role is `recado_worker`. */
export function createPostgresEventStore({
  pool,
  listenUrl,
  lanes = 2,
  maxQueue = 5_000,
  maxQueueBytes = 64 * mebibyte,
  tail: tailLimits = { events: 12_000, bytes: 32 * mebibyte },
  clock,
  onBatch = () => undefined,
  onGivenUp,
  attachments: seal = noAttachments,
}: PostgresEventStoreOptions): EventStore {
  const closing = new AbortController()
  const tail = createTail((after, limit) => readPage(pool, { after, filter: {}, limit, attachments: seal }), tailLimits)
  const commits = createGroupCommit({
    pool,
    lanes,
    queue: { appends: maxQueue, bytes: maxQueueBytes },
    now: () => clock?.() ?? null,
    seal,
    observer: tail,
    onBatch,
    onGivenUp,
  })
  const { subscribe } = createSubscriptions({ pool, listenUrl, tail, seal, closing: closing.signal })
  const loadHead = createStreamLoads(pool)
  async function* pagesOf(stream: StreamRef, options: NonNullable<Parameters<EventStore['readStream']>[1]>): AsyncGenerator<RecordedEvent> {
    for await (const events of readStreamPages(pool, stream, { ...options, attachments: options.attachments === true ? seal : undefined }))
      yield* events
  }
  keepMonthsAhead(pool, closing.signal)
  let closed: Promise<void> | undefined

  return {
    append: commits.append,
    async *readStream(stream, options = {}): AsyncGenerator<RecordedEvent> {
      const { after = 0, upTo, asOf, attachments } = options
      if (upTo !== undefined || asOf !== undefined || attachments === true) {
        yield* pagesOf(stream, options)
        return
      }
      const head = await loadHead(stream, after)
      yield* head
      if (head.length === headLength) yield* pagesOf(stream, { after: head.at(-1)?.version ?? after })
    },
    async readAll({ after, filter = {}, limit, attachments = false }: LogRead): Promise<LogPage> {
      let from = Number(after)
      for (;;) {
        const { events, through } = await readPage(pool, { after: from, filter, limit, attachments: attachments ? seal : undefined })
        if (events.length > 0 || through === from) return { events, through: positionOf(through) }
        from = through
      }
    },
    subscribe,
    async head() {
      const { position, recordedAt } = await readHead(pool)
      return { position: positionOf(position), recordedAt }
    },
    distance: (from, to) =>
      Promise.resolve({
        events: Math.max(0, Number(to) - Number(from)),
        ratio: Number(to) === 0 ? 1 : Math.min(1, Number(from) / Number(to)),
      }),
    close() {
      closing.abort()
      return (closed ??= commits.close())
    },
  }
}
