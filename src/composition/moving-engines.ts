import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { createMarkedBodies } from '../adapters/event-store/indexed/raw-bodies.ts'
import { followPlaces, placesSubscription } from '../adapters/event-store/places/follow-places.ts'
import { countedBy, createPlaces } from '../adapters/event-store/places/places.ts'
import { createPostgresEventStore } from '../adapters/event-store/postgres/event-store.ts'
import { createPostgresImport } from '../adapters/event-store/postgres/import-log.ts'
import type { Pool } from 'pg'
import type { AttachmentSeal } from '../domain/kernel/attachments.ts'
import type { EventStore } from '../domain/kernel/event-store.ts'
import type { LogImport } from '../domain/kernel/log-import.ts'
import { start } from '../domain/kernel/position.ts'

/** An engine as a whole log is moved from it or to it. */
export type MovingEngine = {
  readonly store: EventStore
  readonly imports: LogImport
  /** Resolves when whatever is kept about the log beside it has seen all of it. */
  readonly settled: () => Promise<void>
  readonly close: () => Promise<void>
}

export type MovingParts = {
  readonly url: string
  readonly workerPool: Pool
  readonly ownerPool: Pool
  readonly attachments: AttachmentSeal
  readonly say: (line: string) => void
}

export type MovableEngine = 'postgres' | 'eventstoredb'

export function openPostgres({ url, workerPool, ownerPool, attachments }: MovingParts): MovingEngine {
  const store = createPostgresEventStore({ pool: workerPool, listenUrl: url, attachments })
  return { store, imports: createPostgresImport({ pool: ownerPool, attachments }), settled: () => Promise.resolve(), close: store.close }
}

/** With its index in PostgreSQL, which is followed for as long as this is open: the first process that starts finds it up to date. */
export async function openEventStoreDb({ workerPool, ownerPool, attachments, say }: MovingParts, eventStoreDbUrl: string): Promise<MovingEngine> {
  const { createEventStoreDbEventStore } = await import('../adapters/event-store/eventstoredb/event-store.ts')
  const places = createPlaces({ workerPool, apiPool: workerPool })
  const { purged } = createMarkedBodies({ pool: workerPool })
  const engine = createEventStoreDbEventStore({ url: eventStoreDbUrl, attachments, places, purged })
  const log = { warn: (_: unknown, line = '') => say(line), error: (_: unknown, line = '') => say(line) }
  await engine.ready({ log: { info: () => undefined, warn: say } })
  // A server that has nothing of ours, and an index of the one before it: a stay on another server, long ago.
  if ((await engine.head()).position === start) {
    await ownerPool.query(
      `begin; truncate es.places; delete from es.subscriptions where name = '${placesSubscription}' and lease_until is null; commit`,
    )
  }
  const ending = new AbortController()
  const owner = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`
  const following = followPlaces({ store: engine, pool: workerPool, owner, log, signal: ending.signal, onIndexed: places.report })
  return {
    store: countedBy(engine, places),
    imports: engine,
    async settled() {
      const { position } = await engine.head()
      while (!(await places.waitFor(position, 5_000))) say('the index of the log is catching up')
    },
    async close() {
      ending.abort()
      await following.catch(() => undefined)
      await engine.close()
    },
  }
}
