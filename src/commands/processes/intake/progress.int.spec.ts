import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { someEvents, someStream } from '../../../../tests/support/events.ts'
import { createPostgresEventStore } from '../../../adapters/event-store/postgres/event-store.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import { positionOf } from '../../../domain/kernel/position.ts'
import { acquireLease, checkpointStatement } from '../../../postgres/lease.ts'
import { createPool } from '../../../postgres/pool.ts'
import { intakeSubscription } from './intake.ts'
import { createIntakeWatch, type IntakeWatch } from './progress.ts'

describe('how far the intake is', () => {
  let db: TestDatabase
  let pool: Pool
  let store: EventStore
  let watch: IntakeWatch
  const later = 3_600_000

  beforeEach(async () => {
    db = await freshDatabase()
    pool = createPool({ url: db.url, role: 'recado_worker', max: 6, name: 'progress' })
    store = createPostgresEventStore({ pool, listenUrl: db.url })
    // An hour on, so that everything has been waiting for long.
    watch = createIntakeWatch({ pool, store, clock: () => new Date(Date.now() + later) })
  })
  afterEach(async () => {
    await store.close()
    await pool.end()
    await db.drop()
  })

  const append = async (type: string, count: number) => {
    const result = await store.append({ stream: someStream(randomUUID(), 'delivery'), expected: 0, events: someEvents(count, { type }) })
    if (result.outcome !== 'appended') throw new Error('a new stream takes events')
    return result.position
  }
  const take = async () => {
    const lease = await acquireLease(pool, { name: intakeSubscription, owner: randomUUID(), ttlMs: 60_000 })
    if (lease === undefined) throw new Error('nobody has it')
    return lease
  }

  it('is not known before it ran, and a process that waits for it is not ready', async () => {
    await append('WebhookReceived', 2)
    expect(await watch.progress()).toMatchObject({
      state: 'stopped',
      position: positionOf(0),
      head: positionOf(2),
      lagEvents: null,
      lagSeconds: null,
    })
    expect(await watch.startedUp()).toBe('the intake has not run yet')
    expect(await watch.deliveriesWaiting()).toBe(2)
  })

  it('counts from the oldest event that is its business, and what is not keeps nobody waiting', async () => {
    const lease = await take()
    await append('ConversationRead', 5)
    expect(await watch.progress()).toMatchObject({ state: 'live', head: positionOf(5), lagEvents: 0, lagSeconds: 0 })
    await append('WebhookReceived', 2)
    await append('ConversationRead', 1)
    const behind = await watch.progress()
    expect(behind).toMatchObject({ state: 'live', position: positionOf(0), head: positionOf(8), lagEvents: 3 })
    expect(behind.lagSeconds).toBeGreaterThan(later / 1_000 - 1)
    expect(await watch.deliveriesWaiting()).toBe(2)

    await pool.query(checkpointStatement({ name: intakeSubscription, token: lease.token, from: lease.position, to: positionOf(6) }))
    expect(await watch.progress()).toMatchObject({ position: positionOf(6), lagEvents: 2 })
    expect(await watch.deliveriesWaiting()).toBe(1)
    // What this process has done counts before its checkpoint says so.
    watch.report(positionOf(8))
    expect(await watch.progress()).toMatchObject({ position: positionOf(8), lagEvents: 0, lagSeconds: 0 })
    expect(await watch.deliveriesWaiting()).toBe(0)
  })

  it('keeps a process from being ready while a backlog of its start is worked off, and never again', async () => {
    await take()
    const head = await append('WebhookReceived', 1_500)
    expect(await watch.startedUp()).toBe('deliveries are being worked off')
    watch.report(positionOf(400))
    expect(await watch.startedUp()).toBe('deliveries are being worked off')
    watch.report(positionOf(Number(head) - 1_000))
    expect(await watch.startedUp()).toBeUndefined()
    await append('WebhookReceived', 1_500)
    expect((await watch.progress()).lagEvents).toBe(2_500)
    expect(await watch.startedUp()).toBeUndefined()
  })

  it('does not mind many events that came just now', async () => {
    await take()
    await append('WebhookReceived', 1_500)
    const { events } = await store.readAll({ after: positionOf(0), limit: 1 })
    const at = (seconds: number) =>
      createIntakeWatch({ pool, store, clock: () => new Date((events[0]?.recordedAt.getTime() ?? 0) + seconds * 1_000) })
    expect(await at(6).startedUp()).toBe('deliveries are being worked off')
    expect(await at(4).startedUp()).toBeUndefined()
  })
})
