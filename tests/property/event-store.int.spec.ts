import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPostgresEventStore } from '../../src/adapters/event-store/postgres/event-store.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { followUntil } from '../support/events.ts'
import { auditLog } from '../support/log-audit.ts'
import { interleaving, playOut } from './event-store-interleavings.ts'

const sound = { holes: 0, brokenStreams: 0, eventsTwice: 0, timeTurned: 0 }
const writer = fileURLToPath(new URL('../support/store-writer.ts', import.meta.url))
const run = promisify(execFile)

describe('several writers on one PostgreSQL', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await freshDatabase()
  })
  afterAll(() => database.drop())

  it('answer every append as its stream will show, for any interleaving of stores and streams', async () => {
    const pools = [0, 1, 2].map((nth) => createPool({ url: database.url, role: 'recado_worker', max: 6, name: `property ${nth}` }))
    const stores = pools.map((pool) => createPostgresEventStore({ pool, listenUrl: database.url }))
    await fc.assert(
      fc.asyncProperty(interleaving(stores.length), (steps) => playOut(stores, steps)),
      { numRuns: 60 },
    )
    expect(await auditLog(database.url)).toMatchObject(sound)
    await Promise.all(stores.map((store) => store.close()))
    await Promise.all(pools.map((pool) => pool.end()))
  })

  it('as processes of their own leave a dense log that a reader in another process sees whole', async () => {
    const pool = createPool({ url: database.url, role: 'recado_worker', max: 6, name: 'reader' })
    const store = createPostgresEventStore({ pool, listenUrl: database.url })
    const { position: from } = await store.head()
    const task = { url: database.url, tenantId: randomUUID(), streams: 5, callers: 12, appends: 400 }
    const running = Promise.all(
      [1, 2, 3].map(async () =>
        (await run(process.execPath, [writer, JSON.stringify(task)], { maxBuffer: 2 ** 26 })).stdout.split(/\s+/).filter(Boolean),
      ),
    )
    let acknowledged: readonly string[] | undefined
    const following = followUntil(store, { after: from, pageSize: 100 }, (seen) => acknowledged !== undefined && seen.length >= acknowledged.length)
    acknowledged = (await running).flat()
    // Wakes the reader, should it have seen everything already.
    await store.append({ stream: { tenantId: task.tenantId, category: 'contact', id: 'last' }, expected: 0, events: [lastEvent()] })
    const { events } = await following
    const { events: stored } = await store.readAll({ after: from, limit: 1_000_000 })
    expect(acknowledged.length).toBeGreaterThan(1_000)
    expect(new Set(stored.map(({ id }) => id))).toEqual(new Set([...acknowledged, lastId]))
    expect(events.map(({ position }) => position)).toEqual(stored.slice(0, events.length).map(({ position }) => position))
    expect(events.length).toBeGreaterThanOrEqual(acknowledged.length)
    expect(await auditLog(database.url)).toMatchObject(sound)
    await store.close()
    await pool.end()
  })
})

const lastId = randomUUID()
const lastEvent = () => ({
  id: lastId,
  type: 'ContactNamed',
  schemaVersion: 1,
  data: {},
  meta: { occurredAt: '2026-01-01T12:00:00.000Z', correlationId: 'c', causationId: 'c', actor: { kind: 'process' as const, id: 'test' } },
})
