import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPostgresEventStore } from '../../adapters/event-store/postgres/event-store.ts'
import { createAttachmentSeal } from '../../adapters/keyring/attachment-seal.ts'
import { openEventStoreDb, openPostgres, type MovingEngine } from '../../composition/moving-engines.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { start } from '../../domain/kernel/position.ts'
import { createPool } from '../../postgres/pool.ts'
import { freshDatabase } from '../../../tests/support/database.ts'
import { collect, someEvents, someStream } from '../../../tests/support/events.ts'
import { eventStoreDbServer } from '../../../tests/support/eventstoredb-server.ts'
import { glassVault } from '../../../tests/support/glass-vault.ts'
import { compareOn, compareStreams, createSample, endsAgree } from './compare.ts'
import { copyOn } from './copy.ts'
import { beginMove } from './moves.ts'
import { eventsOf } from './pages.ts'

const attachments = createAttachmentSeal(glassVault)

async function installation() {
  const database = await freshDatabase()
  const workerPool = createPool({ url: database.url, role: 'recado_worker', max: 10, name: 'moving' })
  const ownerPool = createPool({ url: database.url, role: 'owner', max: 2, name: 'moving owner' })
  const parts = { url: database.url, workerPool, ownerPool, attachments, say: () => undefined }
  return {
    parts,
    pool: workerPool,
    ownerPool,
    async end() {
      await Promise.all([workerPool.end(), ownerPool.end()])
      await database.drop()
    },
  }
}
const alike = (event: RecordedEvent) => ({
  ...event,
  position: undefined,
  attachment: event.attachment === undefined ? undefined : Buffer.from(event.attachment),
})

describe('moving the log to EventStoreDB and back', () => {
  let here: Awaited<ReturnType<typeof installation>>
  let server: Awaited<ReturnType<typeof eventStoreDbServer>>
  const opened: MovingEngine[] = []
  beforeAll(async () => {
    here = await installation()
    server = await eventStoreDbServer()
  })
  afterAll(async () => {
    for (const engine of opened) await engine.close()
    await here.end()
    await server.stop()
  })

  it('keeps every event as it was recorded: order, versions, times of weeks ago, deliveries and their bodies', async ({ skip }) => {
    // Times of weeks ago, so that nothing can be mistaken for the server's own clock.
    let now = Date.parse('2026-01-05T10:00:00.123Z')
    const past = createPostgresEventStore({ pool: here.pool, listenUrl: here.parts.url, attachments, clock: () => new Date((now += 61_001)) })
    const tenants = [randomUUID(), randomUUID()]
    for (let nth = 0; nth < 60; nth++) {
      const stream = someStream(tenants[nth % 2], nth % 3 === 0 ? 'conversation' : 'delivery')
      const attachment = nth % 3 === 0 ? {} : { attachment: randomBytes(nth === 1 ? 2_500_000 : 900) }
      await past.append({ stream, expected: 0, events: someEvents(1, { data: { nth, text: 'ñ 😀 \u0000' }, ...attachment }) })
      if (nth % 2 === 0) await past.append({ stream, expected: 1, events: someEvents(1 + (nth % 3)) })
    }
    await past.close()

    const postgres = openPostgres(here.parts)
    const eventStoreDb = await openEventStoreDb(here.parts, server.url)
    opened.push(postgres, eventStoreDb)
    if ((await eventStoreDb.store.head()).position !== start) skip('the server is not empty: a log is moved to one that is')
    const parts = { pool: here.pool, source: postgres.store, destination: eventStoreDb.store }
    const sample = createSample(30)
    let move = await copyOn({ ...parts, move: await beginMove(here.pool, 'postgres', 'eventstoredb'), destination: eventStoreDb.imports })
    // Whoever was killed writes the last page again.
    await eventStoreDb.imports.write((await postgres.store.readAll({ after: start, limit: 40, attachments: true })).events)
    move = await compareOn({ ...parts, move, sample })
    await endsAgree({ ...parts, move })
    expect(move.compared).toMatchObject({ streams: 60, bodies: 40 })
    expect(await compareStreams(sample.streams(), { ...parts, move })).toBe(30)
    await eventStoreDb.settled()

    const there = await installation()
    try {
      const back = openPostgres(there.parts)
      await copyOn({
        pool: there.pool,
        source: eventStoreDb.store,
        destination: back.imports,
        move: await beginMove(there.pool, 'eventstoredb', 'postgres'),
      })
      const original = await collect(eventsOf(postgres.store, start))
      const returned = await collect(eventsOf(back.store, start))
      expect(returned.map(alike)).toEqual(original.map(alike))
      expect(returned[0]?.recordedAt.toISOString().slice(0, 10)).toBe('2026-01-05')
      await back.close()
    } finally {
      await there.end()
    }
  })
})
