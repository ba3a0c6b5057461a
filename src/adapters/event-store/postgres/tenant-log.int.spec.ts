import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newAttachmentSeal } from '../../../../tests/support/attachments.ts'
import { freshDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { collect, someEvents, someStream } from '../../../../tests/support/events.ts'
import type { EventStore, TenantLogs } from '../../../domain/kernel/event-store.ts'
import { positionOf, start } from '../../../domain/kernel/position.ts'
import { createPool } from '../../../postgres/pool.ts'
import { createPostgresEventStore } from './event-store.ts'
import { createTenantLogs } from './tenant-log.ts'

describe('the log of a tenant', () => {
  const [acme, bolt] = [randomUUID(), randomUUID()]
  const [ours, theirs] = [someStream(acme), someStream(bolt)]
  let db: TestDatabase
  let worker: Pool
  let api: Pool
  let store: EventStore
  let logOf: TenantLogs

  beforeAll(async () => {
    db = await freshDatabase()
    worker = createPool({ url: db.url, role: 'recado_worker', max: 6, name: 'worker' })
    api = createPool({ url: db.url, role: 'recado_api', max: 2, name: 'api' })
    const attachments = await newAttachmentSeal(worker)
    store = createPostgresEventStore({ pool: worker, listenUrl: db.url, attachments })
    logOf = createTenantLogs({ pool: api, head: store.head, attachments })
    for (let n = 0; n < 3; n++) {
      await store.append({ stream: ours, expected: 'any', events: someEvents(2, { attachment: Buffer.from('ours') }) })
      await store.append({ stream: theirs, expected: 'any', events: someEvents(2, { attachment: Buffer.from('theirs') }) })
    }
  })
  afterAll(async () => {
    await store.close()
    await Promise.all([worker.end(), api.end()])
    await db.drop()
  })

  it('is what the whole log has of that tenant, with the bodies, in the same order and as far', async () => {
    for (const tenantId of [acme, bolt]) {
      for (const limit of [1, 4, 100]) {
        const read = { after: start, limit, attachments: true }
        expect(await logOf(tenantId).readAll(read)).toEqual(await store.readAll({ ...read, filter: { tenantId } }))
      }
    }
    expect(await collect(logOf(acme).readStream(ours, { attachments: true }))).toEqual(await collect(store.readStream(ours, { attachments: true })))
    // The last two events are the other one's: it was looked at them and over them.
    const { through } = await logOf(acme).readAll({ after: start, limit: 100 })
    expect(through).toBe((await store.head()).position)
    expect(await logOf(acme).readAll({ after: through, limit: 100 })).toEqual({ events: [], through })
  })

  it('shows nothing of another one, whatever stream or filter is asked for', async () => {
    expect(await collect(store.readStream(theirs))).toHaveLength(6)
    expect(await collect(logOf(acme).readStream(theirs, { attachments: true }))).toEqual([])
    expect((await logOf(acme).readAll({ after: start, limit: 100, attachments: true, filter: { tenantId: bolt } })).events).toEqual([])
    const types = ['MessageReceived']
    const { events } = await logOf(acme).readAll({ after: start, limit: 100, attachments: true, filter: { types } })
    expect(new Set(events.map(({ stream }) => stream.tenantId))).toEqual(new Set([acme]))
  })

  it('finds the last event of the tenant at or before any moment or position', async () => {
    let now = Date.now() + 3_600_000
    const clocked = createPostgresEventStore({ pool: worker, listenUrl: db.url, clock: () => new Date(now) })
    const streams = [someStream(acme), someStream(bolt)]
    for (let n = 0; n < 40; n++) {
      await clocked.append({ stream: streams[n % 7 === 0 ? 0 : 1] ?? ours, expected: 'any', events: someEvents(1 + (n % 3)) })
      now += n % 5 === 0 ? 0 : 10
    }
    const { events } = await store.readAll({ after: start, limit: 1_000 })
    for (const tenantId of [acme, bolt, randomUUID()]) {
      const own = events.filter(({ stream }) => stream.tenantId === tenantId)
      for (const { recordedAt, position } of events) {
        for (const moment of [-1, 0, 1].map((ms) => new Date(recordedAt.getTime() + ms))) {
          const last = own.findLast((one) => one.recordedAt <= moment)
          expect(await logOf(tenantId).positionAt(moment)).toBe(last?.position ?? start)
        }
        expect(await logOf(tenantId).positionAt(position)).toBe(own.findLast((one) => one.position <= position)?.position ?? start)
      }
      expect(await logOf(tenantId).positionAt(positionOf('99999999999999999999'))).toBe(own.at(-1)?.position ?? start)
    }
    await clocked.close()
  })

  it('is behind a wall that no statement on the same connections gets over', async () => {
    const counted = async (table: string): Promise<unknown> => (await api.query(`select count(*)::int as n from ${table}`)).rows
    expect(await counted('es.events')).toEqual([{ n: 0 }])
    expect(await counted('es.attachments')).toEqual([{ n: 0 }])
    await expect(counted('es.attachments_default')).rejects.toThrow('permission denied')
    expect((await api.query(`select es.position_at('infinity') as at, es.position_through(1000000) as through`)).rows).toEqual([
      { at: '0', through: '0' },
    ])
  })
})
