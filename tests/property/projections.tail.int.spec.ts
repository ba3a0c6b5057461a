import fc from 'fast-check'
import type { Pool } from 'pg'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPostgresEventStore } from '../../src/adapters/event-store/postgres/event-store.ts'
import type { EventStore } from '../../src/domain/kernel/event-store.ts'
import { derivedId } from '../../src/domain/kernel/ids.ts'
import { later, start } from '../../src/domain/kernel/position.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { createAppliedPositions } from '../../src/projections/engine/applied-positions.ts'
import { prepareReadModels } from '../../src/projections/engine/generations.ts'
import { runProjection } from '../../src/projections/engine/live.ts'
import { projections } from '../../src/projections/index.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { foldPages } from '../support/fold.ts'
import { history } from '../support/histories.ts'

describe('all read models on the tail of the PostgreSQL log', () => {
  let home: TestDatabase
  let pool: Pool
  let ownerPool: Pool
  let store: EventStore
  const stop = new AbortController()
  const running: Promise<void>[] = []

  beforeAll(async () => {
    home = await freshDatabase()
    pool = createPool({ url: home.url, role: 'recado_worker', max: 12, name: 'worker' })
    ownerPool = createPool({ url: home.url, role: 'owner', max: 2, name: 'owner' })
    store = createPostgresEventStore({ pool, listenUrl: home.url })
    await prepareReadModels(ownerPool, projections)
  })
  afterAll(async () => {
    stop.abort()
    await Promise.all(running)
    await store.close()
    await Promise.all([pool.end(), ownerPool.end()])
    await home.drop()
  })

  it('show what many writers appended at once, in the order of the log', async () => {
    const applied = createAppliedPositions({ projections, pool, store })
    for (const projection of projections) {
      const log = pino({ level: 'silent' })
      running.push(runProjection({ projection, store, pool, ownerPool, owner: 'test', signal: stop.signal, log, onApplied: applied.report }))
    }
    const meta = { occurredAt: '2026-01-01T12:00:00Z', correlationId: 'c', causationId: 'c', actor: { kind: 'process', id: 'test' } } as const
    // Every writer has conversations of its own, so that each stream is one history; the log interleaves them.
    // At least 60 wishes each: drawn freely, twelve histories may have fewer than a hundred events among them.
    const histories = fc.sample(history(120, 60), 12)
    let appended = start
    await Promise.all(
      histories.map(async (happened, writer) => {
        for (const [index, [stream, { type, ...data }]] of happened.entries()) {
          const event = { id: derivedId(String(writer), String(index)), type, schemaVersion: 1, data: { ...data, ...own(data, writer) }, meta }
          const result = await store.append({ stream: { ...stream, id: `${stream.id}.w${writer}` }, expected: 'any', events: [event] })
          if (result.outcome === 'appended') appended = later(appended, result.position)
        }
      }),
    )
    expect(
      await applied.waitFor(
        projections.map(({ name }) => name),
        appended,
        50_000,
      ),
    ).toBe(true)

    const { events } = await store.readAll({ after: start, limit: 100_000 })
    expect(events.length).toBeGreaterThan(100)
    for (const projection of projections) {
      const expected = foldPages(projection, [events]).rows
      const { rows } = await ownerPool.query<{ rows: string }>(`select count(*) as rows from rm_${table(projection.name)}.${table(projection.name)}`)
      expect([projection.name, rows[0]?.rows]).toEqual([projection.name, String(expected.size)])
    }
    const { rows: inbox } = await ownerPool.query<{ key: string; unread_count: number; last_message_status: string | null; version: number }>(
      `select tenant_id || '/' || id as key, unread_count, last_message_status, version from rm_conversations.conversations`,
    )
    const conversations = projections.find(({ name }) => name === 'conversations')
    const expected = conversations === undefined ? new Map<string, never>() : foldPages(conversations, [events]).rows
    for (const { key, unread_count: unreadCount, last_message_status: lastMessageStatus, version } of inbox) {
      expect(expected.get(key)).toMatchObject({ unreadCount, lastMessageStatus, version })
    }
  })
})

const table = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** Message ids of two writers must not meet. */
function own(data: object, writer: number): object {
  return 'messageId' in data ? { messageId: `${String(data.messageId)}.w${writer}` } : {}
}
