import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Pool } from 'pg'
import type { Logger } from 'pino'
import { createMarkedBodies, withoutPurged, type MarkedBodies } from '../adapters/event-store/indexed/raw-bodies.ts'
import { createLogScan } from '../adapters/event-store/indexed/scan-log.ts'
import { createEventsAt, createTenantLogs } from '../adapters/event-store/indexed/tenant-log.ts'
import { followPlaces } from '../adapters/event-store/places/follow-places.ts'
import { countedBy, createPlaces, type Places } from '../adapters/event-store/places/places.ts'
import type { EventStore } from '../domain/kernel/event-store.ts'
import type { LogEngine } from './log-engine.ts'

export type IndexedLog<Store extends EventStore = EventStore> = {
  readonly engine: string
  /** The engine, given what of the index its adapter may want. */
  readonly open: (index: { readonly places: Places; readonly purged: MarkedBodies['purged'] }) => Store
  /** What has to be true before it is used. */
  readonly prepare?: (store: Store) => Promise<void>
  /** Sets the age at which the engine forgets raw bodies, in seconds. */
  readonly age?: (store: Store, seconds: number | undefined) => Promise<void>
  readonly workerPool: Pool
  readonly apiPool: Pool
  readonly log: Pick<Logger, 'warn' | 'error'>
}

/** A log on an engine that knows streams and one order, and nothing else: tenants, moments and counts come from the index in PostgreSQL (ADR 0036). */
export async function indexedLog<Store extends EventStore>({
  engine,
  open,
  prepare,
  age,
  workerPool,
  apiPool,
  log,
}: IndexedLog<Store>): Promise<LogEngine> {
  const places = createPlaces({ workerPool, apiPool })
  const bodies: MarkedBodies = createMarkedBodies({ pool: workerPool, age: async (seconds) => age?.(engineStore, seconds) })
  const engineStore = open({ places, purged: bodies.purged })
  try {
    await prepare?.(engineStore)
  } catch (error) {
    await engineStore.close()
    throw error
  }
  const store = withoutPurged(countedBy(engineStore, places), bodies)
  const ending = new AbortController()
  const owner = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`
  const following = followPlaces({ store: engineStore, pool: workerPool, owner, log, signal: ending.signal, onIndexed: places.report })
  return {
    engine,
    store,
    logOf: createTenantLogs({ store, places }),
    eventsAt: createEventsAt(store),
    scan: createLogScan({ store, places }),
    index: places,
    rawBodies: bodies,
    checks: {
      index: async () => ((await places.waitFor((await store.head()).position, 500)) ? undefined : 'catching up'),
    },
    async close() {
      ending.abort()
      await following.catch(() => undefined)
      await store.close()
    },
  }
}
