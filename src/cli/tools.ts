import type { Pool } from 'pg'
import { startEmbeddedPostgres } from '../adapters/embedded-postgres/start.ts'
import { runningServer } from '../adapters/embedded-postgres/running.ts'
import { checkMasterKey } from '../adapters/keyring/master-key.ts'
import { attachmentsUnder } from '../adapters/keyring/attachment-seal.ts'
import { createVault } from '../adapters/keyring/vault.ts'
import { openGate } from '../composition/log-gate.ts'
import type { LogEngine } from '../composition/log-engine.ts'
import { openLog } from '../composition/open-log.ts'
import type { Config } from '../config.ts'
import type { Vault } from '../domain/kernel/vault.ts'
import { masterKey } from '../keys.ts'
import { migrate } from '../postgres/migrate.ts'
import { createPool, type DatabaseRole } from '../postgres/pool.ts'

/** What a command works with, opened when it is first asked for: a command that only reads the log needs no keys. */
export type Tools = {
  readonly store: LogEngine['store']
  readonly scan: LogEngine['scan']
  readonly threads: LogEngine['threads']
  readonly index: LogEngine['index']
  /** As people say it. */
  readonly engine: string
  readonly workerPool: Pool
  readonly ownerPool: Pool
  /** Of the owner, for COPY. */
  readonly copyPool: Pool
  /** @throws when the master key is not that of the database */
  readonly vault: () => Promise<Vault>
  readonly close: () => Promise<void>
}

/**
 * The database of this configuration: DATABASE_URL, else the embedded one: that of the running program, or started for as long as the command runs.
 * A running program's database is never migrated by a command: both may be of different versions.
 */
export async function openTools(config: Config): Promise<Tools> {
  const { url, stop } = await reach(config)
  const pools = new Map<string, Pool>()
  const pool = (name: string, role: DatabaseRole, max: number, pipeline = true): Pool => {
    const made = pools.get(name) ?? createPool({ url, role, max, name: `cli ${name}`, statementTimeoutMs: 0, pipeline })
    pools.set(name, made)
    return made
  }
  const endPools = async (): Promise<void> => {
    await Promise.allSettled([...pools.values()].map(async (one) => one.end()))
    await stop()
  }
  const workerPool = pool('worker', 'recado_worker', 4)
  let opened: Promise<Vault> | undefined
  /** The master key is asked for when something sealed is wanted, and not before: most commands work without it. */
  const vault = (): Promise<Vault> =>
    (opened ??= (async () => {
      const key = masterKey(config)
      await checkMasterKey({ pool: workerPool, masterKey: key })
      return createVault({ pool: workerPool, masterKey: key })
    })())
  const said = (...words: readonly unknown[]): void => console.error(words.at(-1))
  const { store, scan, threads, index, engine, close } = await openLog(config, {
    storePool: workerPool,
    workerPool,
    apiPool: pool('api', 'recado_api', 2),
    scanPool: pool('scan', 'recado_worker', 2, false),
    listenUrl: url,
    attachments: attachmentsUnder(vault),
    log: { info: () => undefined, warn: said, error: said },
  }).catch(async (error: unknown) => {
    await endPools()
    throw error
  })
  const gate = await openGate({
    pool: workerPool,
    engine: config.eventStore,
    log: { info: () => undefined, warn: (line) => console.error(line) },
    onLeaving({ message }) {
      console.error(message)
      process.exit(1)
    },
  }).catch(async (error: unknown) => {
    await close()
    await endPools()
    throw error
  })
  return {
    store: gate.guard(store),
    scan,
    threads,
    index,
    engine,
    workerPool,
    ownerPool: pool('owner', 'owner', 3),
    copyPool: pool('copy', 'owner', 2, false),
    vault,
    async close() {
      await close()
      await gate.close()
      await endPools()
    },
  }
}

async function reach(config: Config): Promise<{ url: string; stop: () => Promise<void> }> {
  const nothing = (): Promise<void> => Promise.resolve()
  const given = config.database.url ?? runningServer(config.dataDir)
  if (given !== undefined) return { url: given, stop: nothing }
  const quiet = (): undefined => undefined
  const { url, stop } = await startEmbeddedPostgres({ dataDir: config.dataDir, log: { info: quiet, warn: quiet, error: quiet } })
  await migrate({ url })
  return { url, stop }
}
