import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { ownCopy, type NewEvent, type RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import { derivedId } from '../../../domain/kernel/ids.ts'
import type { Scan } from '../../../domain/kernel/log-scan.ts'
import { start, type Position } from '../../../domain/kernel/position.ts'
import { streamRef } from '../../../domain/kernel/stream.ts'
import { createPool } from '../../../postgres/pool.ts'
import { createPostgresEventStore } from './event-store.ts'
import { createLogScan } from './scan-log.ts'

const acme = '0197c0de-0000-7000-8000-00000000000a'
const bolt = 'ffffffff-ffff-4fff-bfff-ffffffffffff'
const meta = { occurredAt: '2026-01-01T00:00:00Z', correlationId: 'c', causationId: 'c', actor: { kind: 'process', id: 'test' } } as const

describe('a scan of the log', () => {
  let home: TestDatabase
  let pool: Pool
  let copyPool: Pool
  let store: EventStore
  let head: Position = start

  const odd: readonly Record<string, unknown>[] = [
    {},
    { text: 'né 😀 "quoted" \\ \0 \u2028' },
    { type: 'of its own', nested: { type: 'x', list: [1, null, { a: 'b' }] } },
    { '': 'a field without a name', 'with "quotes"': true },
    { number: 1e21, list: [], text: 'x'.repeat(3_000_000) },
  ]

  beforeAll(async () => {
    home = await freshDatabase()
    pool = createPool({ url: home.url, role: 'recado_worker', max: 4, name: 'worker' })
    copyPool = createPool({ url: home.url, role: 'owner', max: 2, name: 'copy', pipeline: false })
    store = createPostgresEventStore({ pool, listenUrl: home.url })
    for (const tenantId of [acme, bolt]) {
      for (const [nth, data] of odd.entries()) {
        const events: NewEvent[] = [`Odd`, `AnotherThatHappened`].map((type) => ({
          id: derivedId('scan', `${tenantId} ${nth} ${type}`),
          type,
          schemaVersion: nth + 1,
          data,
          meta: { ...meta, correlationId: `né ${nth}` },
        }))
        const result = await store.append({ stream: streamRef('conversation', tenantId, `id-${nth % 3}-of ${tenantId}`), expected: 'any', events })
        if (result.outcome === 'appended') head = result.position
      }
    }
    // As another program may have written it: with room between the words.
    await copyPool.query(`alter table es.events disable trigger user`)
    await copyPool.query(`update es.events set data = '{ "spaced" : "out" }' where position = 1`)
  })
  afterAll(async () => {
    await store.close()
    await Promise.all([pool.end(), copyPool.end()])
    await home.drop()
  })

  async function scanned(more: Partial<Scan> = {}): Promise<RecordedEvent[]> {
    const all: RecordedEvent[] = []
    for await (const { events } of createLogScan(copyPool)({ after: start, through: head, ...more })) all.push(...events.map(ownCopy))
    return all
  }
  const read = async (): Promise<readonly RecordedEvent[]> => (await store.readAll({ after: start, limit: 1_000 })).events

  it('says of every event what the store says, however odd its data is', async () => {
    const [one, other] = [await scanned(), await read()]
    expect(one).toHaveLength(4 * odd.length)
    expect(one).toEqual(other.map(ownCopy))
  })

  it('gives the data with the type in it, as a fold wants it; a field of that name stays what it was', async () => {
    for await (const { events } of createLogScan(copyPool)({ after: start, through: head })) {
      for (const event of events) expect(event.whole).toEqual({ type: event.type, ...event.data })
    }
    expect.hasAssertions()
  })
})
