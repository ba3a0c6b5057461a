import { randomBytes, randomUUID } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { checkMasterKey } from '../../src/adapters/keyring/master-key.ts'
import { createAttachmentSeal } from '../../src/adapters/keyring/attachment-seal.ts'
import { createVault } from '../../src/adapters/keyring/vault.ts'
import { indexedLog } from '../../src/composition/indexed-log.ts'
import type { Upgrades } from '../../src/composition/listen.ts'
import { postgresLog } from '../../src/composition/log-engine.ts'
import type { ReadAfter } from '../../src/api/http/idempotency.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { createAppliedPositions } from '../../src/projections/engine/applied-positions.ts'
import { prepareReadModels } from '../../src/projections/engine/generations.ts'
import { runProjection } from '../../src/projections/engine/live.ts'
import type { Projection } from '../../src/projections/engine/projection.ts'
import { freshDatabase } from './database.ts'
import { createSparseEventStore } from './sparse-store.ts'

/** `without SQL`: the log is elsewhere, on an engine that knows neither tenants nor moments; the database indexes it. */
export type HouseLog = 'PostgreSQL' | 'without SQL'
/** What the suites of desk and office stand on unless they say so: `RECADO_TEST_LOG='without SQL' vitest run --project int src/api`. */
const patienceMs = 40_000
const everywhere: HouseLog = process.env['RECADO_TEST_LOG'] === 'without SQL' ? 'without SQL' : 'PostgreSQL'

/** What the desk and the office both stand on: a database of their own with log, keys and running read models, and a server on a free port. */
export async function openHouse(projections: readonly Projection[], keptBy = everywhere) {
  const db = await freshDatabase()
  const pools = {
    worker: createPool({ url: db.url, role: 'recado_worker', max: 12, name: 'house worker' }),
    api: createPool({ url: db.url, role: 'recado_api', max: 8, name: 'house api' }),
    owner: createPool({ url: db.url, role: 'owner', max: 2, name: 'house owner' }),
    copy: createPool({ url: db.url, role: 'owner', max: 4, name: 'house copy', pipeline: false }),
  }
  const masterKey = randomBytes(32)
  await checkMasterKey({ pool: pools.worker, masterKey })
  let minutes = 0
  const vault = createVault({ pool: pools.worker, masterKey, now: () => performance.now() + minutes * 60_000 })
  const attachments = createAttachmentSeal(vault)
  const parts = { workerPool: pools.worker, apiPool: pools.api }
  const log =
    keptBy === 'PostgreSQL'
      ? postgresLog({ ...parts, storePool: pools.worker, scanPool: pools.copy, listenUrl: db.url, attachments })
      : await indexedLog({ ...parts, engine: keptBy, open: () => createSparseEventStore(), log: pino({ level: 'silent' }) })
  const { store, logOf, eventsAt, scan, index } = log
  const applied = createAppliedPositions({ projections, pool: pools.worker, store })
  /** Of the program, and more patient: what is in the log is waited for as long as a busy machine takes, what is not there only as long as was asked for. */
  const readAfter: ReadAfter = async (names, position, timeoutMs) =>
    applied.waitFor(names, position, position <= (await store.head()).position ? patienceMs : timeoutMs)
  const stop = new AbortController()
  await prepareReadModels(pools.owner, projections)
  const running = projections.map((projection) =>
    runProjection({
      projection,
      store,
      pool: pools.worker,
      ownerPool: pools.owner,
      owner: randomUUID(),
      signal: stop.signal,
      log: pino({ level: 'silent' }),
      onApplied: applied.report,
    }),
  )
  const server = createServer()

  return {
    /** A minute later, as far as the vault can tell: it believes no key any more without looking. */
    aMinuteLater: () => void minutes++,
    /** As a process that only now starts has it: no key in memory. */
    freshVault: () => createVault({ pool: pools.worker, masterKey }),
    db,
    masterKey,
    pools,
    store,
    logOf,
    eventsAt,
    scan,
    index,
    rawBodies: log.rawBodies,
    vault,
    attachments,
    applied,
    readAfter,
    /** Aborted when the house is closed. */
    signal: stop.signal,
    /** Where it is reached, without the scheme. */
    async serve(listener: RequestListener, upgrades?: Upgrades): Promise<string> {
      server.on('request', listener)
      if (upgrades !== undefined) server.on('upgrade', upgrades.upgrade)
      await new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', resolve)
      })
      return `127.0.0.1:${(server.address() as AddressInfo).port}`
    },
    /** `windUp`: what has to end between the last request and the end of the store. */
    async close(windUp: () => Promise<unknown> = () => Promise.resolve()): Promise<void> {
      stop.abort()
      await new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      })
      await Promise.all(running)
      await windUp()
      await log.close()
      await Promise.all(Object.values(pools).map((pool) => pool.end()))
      await db.drop()
    },
  }
}
