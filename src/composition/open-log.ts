import type { Logger } from 'pino'
import type { AttachmentSeal } from '../domain/kernel/attachments.ts'
import type { Config } from '../config.ts'
import { postgresLog, type LogEngine, type PostgresParts } from './log-engine.ts'

export type OpenLog = Pick<PostgresParts, 'storePool' | 'workerPool' | 'apiPool' | 'scanPool' | 'listenUrl'> & {
  readonly attachments: AttachmentSeal
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
  readonly observer?: LogObserver
}

/** Who counts what happens at the log. */
export type LogObserver = {
  readonly onBatch: (batch: { readonly appends: number; readonly events: number; readonly ms: number; readonly queued: number }) => void
  /** Appends were refused after all their tries. Of PostgreSQL only. */
  readonly onGivenUp?: (error: unknown) => void
  readonly onDrop: (drop: { readonly why: string }) => void
  readonly onRecycle: () => void
}

/** The log where the configuration says it is. The client of another engine is loaded where it is used: it is nothing that PostgreSQL needs. */
export async function openLog(
  { eventStore, eventStoreDb }: Pick<Config, 'eventStore' | 'eventStoreDb'>,
  { log, observer, attachments, workerPool, apiPool, ...postgres }: OpenLog,
): Promise<LogEngine> {
  switch (eventStore) {
    case 'postgres': {
      const { onBatch, onGivenUp } = observer ?? {}
      return postgresLog({ ...postgres, workerPool, apiPool, attachments, ...(onBatch && { onBatch }), ...(onGivenUp && { onGivenUp }) })
    }
    case 'eventstoredb': {
      if (eventStoreDb === undefined) throw new Error('EVENTSTOREDB_URL is required with EVENT_STORE=eventstoredb')
      const { eventStoreDbLog } = await import('./eventstoredb-log.ts')
      const counted = observer === undefined ? {} : { onAppend: observer.onBatch, onDrop: observer.onDrop, onRecycle: observer.onRecycle }
      return eventStoreDbLog({ url: eventStoreDb.url, attachments, workerPool, apiPool, log, hints: observer !== undefined, ...counted })
    }
    default:
      return eventStore satisfies never
  }
}
