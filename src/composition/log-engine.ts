import { createPostgresEventStore, type PostgresEventStoreOptions } from '../adapters/event-store/postgres/event-store.ts'
import { createEventsAt } from '../adapters/event-store/postgres/events-at.ts'
import { createLogIndex } from '../adapters/event-store/postgres/log-index.ts'
import { createRawBodies } from '../adapters/event-store/postgres/raw-bodies.ts'
import { createLogScan } from '../adapters/event-store/postgres/scan-log.ts'
import { createTenantLogs } from '../adapters/event-store/postgres/tenant-log.ts'
import type { Pool } from 'pg'
import type { RawBodies } from '../commands/ports/raw-bodies.ts'
import { noAttachments } from '../domain/kernel/attachments.ts'
import type { EventsAt } from '../domain/kernel/event-places.ts'
import type { EventStore, TenantLogs } from '../domain/kernel/event-store.ts'
import type { LogIndex } from '../domain/kernel/log-index.ts'
import type { LogScan } from '../domain/kernel/log-scan.ts'
import type { FoldThreads } from '../projections/engine/fold-threads.ts'

/** The log and every way to look at it, whichever engine keeps it. */
export type LogEngine = {
  /** As people say it. */
  readonly engine: string
  readonly store: EventStore
  /** The log as its tenants may see it: for everything that answers a request with events. */
  readonly logOf: TenantLogs
  readonly eventsAt: EventsAt
  /** Read once and fast: rebuilds, exports. */
  readonly scan: LogScan
  /** Where rebuilds may fold beside the thread that everybody else lives in. */
  readonly threads?: FoldThreads
  readonly index: LogIndex
  readonly rawBodies: RawBodies
  /** Further parts of readiness, by name: undefined or what is missing. */
  readonly checks: Readonly<Record<string, () => Promise<string | undefined>>>
  readonly close: () => Promise<void>
}

export type PostgresParts = {
  /** For appends and subscriptions, of the role recado_worker. */
  readonly storePool: Pool
  readonly workerPool: Pool
  /** Behind the tenants' walls; commands have none, for they answer nobody. */
  readonly apiPool: Pool
  /** Sees the whole log and does not pipeline: COPY. */
  readonly scanPool: Pool
} & Omit<PostgresEventStoreOptions, 'pool'>

export const foldThread = new URL('./fold-thread.ts', import.meta.url)

/** The log in the database that keeps everything else. */
export function postgresLog({ storePool, workerPool, apiPool, scanPool, ...options }: PostgresParts): LogEngine {
  const store = createPostgresEventStore({ pool: storePool, ...options })
  return {
    engine: 'PostgreSQL',
    store,
    logOf: createTenantLogs({ pool: apiPool, head: store.head, attachments: options.attachments ?? noAttachments }),
    eventsAt: createEventsAt(apiPool),
    scan: createLogScan(scanPool),
    threads: { entry: foldThread, connection: options.listenUrl },
    index: createLogIndex(workerPool),
    rawBodies: createRawBodies(workerPool),
    checks: {},
    close: store.close,
  }
}
