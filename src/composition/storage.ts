import type { Pool } from 'pg'
import type { Logger } from 'pino'
import { startEmbeddedPostgres } from '../adapters/embedded-postgres/start.ts'
import type { LogGate } from '../adapters/event-store/gated.ts'
import { createAttachmentSeal } from '../adapters/keyring/attachment-seal.ts'
import { checkMasterKey } from '../adapters/keyring/master-key.ts'
import { createVault } from '../adapters/keyring/vault.ts'
import { createFileStore } from '../adapters/media-store/file.ts'
import type { MediaStore } from '../commands/ports/media-store.ts'
import type { Config } from '../config.ts'
import type { Vault } from '../domain/kernel/vault.ts'
import { masterKey } from '../keys.ts'
import { prepareJobs } from '../postgres/jobs.ts'
import { migrate } from '../postgres/migrate.ts'
import { createPool, type PoolOptions } from '../postgres/pool.ts'
import { createAppendWatch } from './append-watch.ts'
import { openGate } from './log-gate.ts'
import type { LogEngine } from './log-engine.ts'
import type { Metrics } from './metrics.ts'
import { openLog, type LogObserver } from './open-log.ts'
import { reachable } from './reachable.ts'
import { prepareReadModels } from '../projections/engine/generations.ts'
import { projections } from '../projections/index.ts'

/** Everything that keeps something: the database, its pools by role, the log, the keys. */
export type Storage = LogEngine & {
  /** Passed by every append: see `recado store copy`. */
  readonly gate: LogGate
  readonly vault: Vault
  /** Undefined, or why the last append was refused. Of a log on PostgreSQL: clients of the other engines try until they know. */
  readonly takesAppends: (() => Promise<string | undefined>) | undefined
  /** Reads one tenant at a time, behind row level security. */
  readonly apiPool: Pool
  readonly workerPool: Pool
  /** The tables' owner, for the projections' own tables only. */
  readonly ownerPool: Pool
  /** Reads and writes by COPY: rebuilds, exports. The owner's, without pipelining, without a limit for a statement. */
  readonly copyPool: Pool
  /** graphile-worker's own: it keeps one connection to listen on. */
  readonly jobsPool: Pool
  readonly mediaStore: MediaStore
  /** For a connection that listens. */
  readonly listenUrl: string
}

export async function openStorage(
  config: Config,
  { log, metrics, signal, onLeaving }: { log: Logger; metrics: Metrics; signal: AbortSignal; onLeaving: (why: Error) => void },
): Promise<Storage> {
  // Before the database is started for the first time: a database without its key beside it must not get a new one.
  const key = masterKey(config)
  let closing = false
  const embedded =
    config.database.url === undefined ? await startEmbeddedPostgres({ dataDir: config.dataDir, log: linesOf(log, () => closing) }) : undefined
  const url = embedded?.url ?? config.database.url ?? ''
  const pools: Pool[] = []
  const mediaStore = await openMediaStore(config)
  const onError = (error: Error, which: string): void => {
    if (!closing) log.warn({ err: error, pool: which }, 'a database connection broke')
  }
  const pool = (role: 'recado_api' | 'recado_worker' | 'owner', max: number, name: string, more: Partial<PoolOptions> = {}): Pool => {
    const made = createPool({ url, role, max, name, onError, ...more })
    pools.push(made)
    return made
  }
  const end = async (): Promise<void> => {
    closing = true
    await Promise.allSettled(pools.map(async (one) => one.end()))
    await embedded?.stop()
  }
  try {
    const { applied } = await reachable(() => migrate({ url }), { log, signal })
    if (applied.length > 0) log.info({ applied }, 'database migrated')
    const workerPool = pool('recado_worker', 16, 'worker')
    await checkMasterKey({ pool: workerPool, masterKey: key })
    // Before anything is written: where the log has moved away from, nothing goes on.
    const gate = await openGate({ pool: workerPool, engine: config.eventStore, log, onLeaving })
    const ownerPool = pool('owner', 2, 'owner')
    await prepareReadModels(ownerPool, projections)
    await prepareJobs(ownerPool)
    await mediaStore.check()
    const vault = createVault({ pool: workerPool, masterKey: key })
    const attachments = createAttachmentSeal(vault)
    const apiPool = pool('recado_api', 10, 'api')
    const copyPool = pool('owner', 6, 'copy', { pipeline: false, statementTimeoutMs: 0 })
    const storePool = pool('recado_worker', 6, 'event store')
    const parts = { storePool, workerPool, apiPool, scanPool: copyPool, listenUrl: url, attachments }
    const appends = createAppendWatch()
    const observer: LogObserver = {
      ...metrics,
      onBatch(batch) {
        appends.onBatch()
        metrics.onBatch(batch)
      },
      onGivenUp: appends.onGivenUp,
    }
    const engine = await openLog(config, { ...parts, log: log.child({ part: 'log' }), observer })
    return {
      ...engine,
      takesAppends: config.eventStore === 'postgres' ? appends.check : undefined,
      store: gate.guard(engine.store),
      gate,
      vault,
      apiPool,
      workerPool,
      ownerPool,
      copyPool,
      jobsPool: pool('recado_worker', 6, 'jobs'),
      mediaStore,
      listenUrl: url,
      async close() {
        await engine.close()
        await gate.close()
        await mediaStore.close()
        await end()
      },
    }
  } catch (error) {
    await end()
    throw error
  }
}

/** Each adapter is loaded where it is used: the signing of S3 is nothing that a directory needs. */
async function openMediaStore({ media: { store } }: Config): Promise<MediaStore> {
  if (store.kind === 'file') return createFileStore(store.directory)
  const { createS3Store } = await import('../adapters/media-store/s3.ts')
  return createS3Store(store)
}

/** While we close, the server says of each connection that it is terminated: nobody needs to read that. */
const linesOf = (
  log: Logger,
  closing: () => boolean,
): { info: (text: string) => void; warn: (text: string) => void; error: (text: string) => void } => ({
  info: (text) => log.info(text),
  warn: (text) => (closing() ? log.debug(text) : log.warn(text)),
  error: (text) => log.error(text),
})
