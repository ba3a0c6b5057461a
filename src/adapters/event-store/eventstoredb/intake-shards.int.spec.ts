import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase } from '../../../../tests/support/database.ts'
import { collect, someEvents } from '../../../../tests/support/events.ts'
import { startDouble, type Double } from '../../../../tests/support/eventstoredb-double/double.ts'
import { glassVault } from '../../../../tests/support/glass-vault.ts'
import { StoreUnavailable, type Append, type AppendResult, type EventStore } from '../../../domain/kernel/event-store.ts'
import { start } from '../../../domain/kernel/position.ts'
import { streamRef } from '../../../domain/kernel/stream.ts'
import { createPool } from '../../../postgres/pool.ts'
import { createAttachmentSeal } from '../../keyring/attachment-seal.ts'
import { followPlaces } from '../places/follow-places.ts'
import { createPlaces } from '../places/places.ts'
import { createEventStoreDbEventStore, type EventStoreDb, type EventStoreDbOptions } from './event-store.ts'

const tenantId = randomUUID()
const attachments = createAttachmentSeal(glassVault)
const bodyOf = (id: string): Buffer => Buffer.from(`the body of ${id}`)
/** A delivery as Meta sends it twice: the same bytes, so the same stream and the same event. */
const delivery = (id: string): Append => ({
  stream: streamRef('delivery', tenantId, id),
  expected: 0,
  events: someEvents(1, { id, type: 'WebhookReceived', attachment: bodyOf(id) }),
})

let double: Double
let opened: EventStoreDb[] = []
beforeAll(async () => {
  double = await startDouble()
})
afterEach(async () => {
  double.behave()
  await Promise.all(opened.map((store) => store.close()))
  opened = []
})
afterAll(() => double.stop())

const open = (options: Partial<EventStoreDbOptions> = {}): EventStoreDb => {
  const store = createEventStoreDbEventStore({ url: double.url, attachments, ...options })
  opened.push(store)
  return store
}

/** As Meta does it: again until it is acknowledged. */
async function insist(store: EventStore, append: Append): Promise<AppendResult> {
  for (;;) {
    try {
      return await store.append(append)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

/** Every delivery that was acknowledged is in the log once, with its body. */
async function audit(reader: EventStore, ids: readonly string[]): Promise<void> {
  const { events } = await reader.readAll({ after: start, limit: 1_000_000, attachments: true })
  const found = new Map<string, number>()
  for (const { stream, attachment } of events) {
    found.set(stream.id, (found.get(stream.id) ?? 0) + 1)
    if (stream.category === 'delivery') expect(Buffer.from(attachment ?? []).toString()).toBe(bodyOf(stream.id).toString())
  }
  for (const id of ids) expect([id, found.get(id)]).toEqual([id, 1])
}

describe('deliveries on EventStoreDB', () => {
  it('come to the log once, though three processes get each of them, answers are lost and the server is killed', async () => {
    const stores = [open(), open(), open()]
    const ids = Array.from({ length: 300 }, () => randomUUID())
    double.misbehave({ kind: 'store-then', with: 'reset', on: ['append'], times: 3 })
    double.misbehave({ kind: 'reset', on: ['append'], times: 3 })
    const answers = Promise.all(stores.flatMap((store, nth) => ids.map((_, at) => insist(store, delivery(ids[(at + nth * 100) % ids.length] ?? '')))))
    await double.restart({ downMs: 200, how: 'kill' })
    const results = await answers
    // Whoever was told that nobody knows, and came again, may be told of each that it is there already.
    expect(results.filter(({ outcome }) => outcome === 'appended').length).toBeLessThanOrEqual(300)
    expect(results.filter(({ outcome }) => outcome === 'conflict')).toEqual([])
    await audit(open(), ids)
  })

  it('are stored once when the server stores and never answers', async () => {
    const store = open()
    const ids = Array.from({ length: 20 }, () => randomUUID())
    await store.append(delivery(randomUUID()))
    double.misbehave({ kind: 'lose-answer', on: ['append'], times: 1, streams: (name) => name.startsWith('intake-') })
    double.misbehave({ kind: 'lose-answer', on: ['append'], times: 1, streams: (name) => name.startsWith('raw-') })
    for (const { outcome } of await Promise.all(ids.map((id) => store.append(delivery(id))))) expect(outcome).toBe('appended')
    await audit(store, ids)
  })

  it('share appends: the server has far fewer events than the log', async () => {
    const store = open()
    const before = double.log().length
    await Promise.all(Array.from({ length: 1_000 }, () => store.append(delivery(randomUUID()))))
    expect(double.log().length - before).toBeLessThan(60)
  })

  it('are recognised by the index when nobody has them in mind any more', async () => {
    const database = await freshDatabase()
    const pools = [
      createPool({ url: database.url, role: 'recado_worker', max: 4, name: 'worker' }),
      createPool({ url: database.url, role: 'recado_api', max: 2, name: 'api' }),
    ] as const
    const places = createPlaces({ workerPool: pools[0], apiPool: pools[1] })
    const over = new AbortController()
    const follower = open()
    const problems: unknown[] = []
    const log = { warn: (problem: unknown) => problems.push(problem), error: (problem: unknown) => problems.push(problem) } as never
    const following = followPlaces({ store: follower, pool: pools[0], owner: 'test', log, signal: over.signal, onIndexed: places.report })
    try {
      const store = open({ places, windowSize: 5 })
      const ids = Array.from({ length: 400 }, () => randomUUID())
      const first: AppendResult[] = []
      for (let at = 0; at < ids.length; at += 20) first.push(...(await Promise.all(ids.slice(at, at + 20).map((id) => store.append(delivery(id))))))
      for (const process of [open({ places, windowSize: 5 }), store]) {
        const again = await Promise.all(ids.map((id) => process.append(delivery(id))))
        expect(again).toEqual(first.map((result) => ({ ...result, outcome: 'duplicate' })))
        const [event] = await collect(process.readStream(streamRef('delivery', tenantId, ids[0] ?? ''), { attachments: true }))
        expect(Buffer.from(event?.attachment ?? []).toString()).toBe(bodyOf(ids[0] ?? '').toString())
        expect(await collect(process.readStream(streamRef('delivery', randomUUID(), ids[0] ?? '')))).toEqual([])
      }
      await audit(store, ids)
      expect(problems).toEqual([])
    } finally {
      over.abort()
      await following
      for (const pool of pools) await pool.end()
      await database.drop()
    }
  })

  it('keep one id apart that two tenants have been sent', async () => {
    const store = open()
    const [id, other] = [randomUUID(), randomUUID()]
    const theirs = { ...delivery(id), stream: streamRef('delivery', other, id) }
    const results = await Promise.all([store.append(delivery(id)), store.append(theirs), store.append(theirs)])
    expect(results.map(({ outcome }) => outcome)).toEqual(['appended', 'appended', 'duplicate'])
    for (const tenant of [tenantId, other]) {
      expect(await collect(store.readStream(streamRef('delivery', tenant, id)))).toMatchObject([{ id, version: 1, stream: { tenantId: tenant } }])
    }
  })
})
