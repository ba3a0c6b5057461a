import { randomBytes, randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { createPostgresEventStore } from '../../../adapters/event-store/postgres/event-store.ts'
import { checkMasterKey } from '../../../adapters/keyring/master-key.ts'
import { createAttachmentSeal } from '../../../adapters/keyring/attachment-seal.ts'
import { createVault } from '../../../adapters/keyring/vault.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import { positionOf, type Position } from '../../../domain/kernel/position.ts'
import { platformTenant } from '../../../domain/kernel/stream.ts'
import { createPool } from '../../../postgres/pool.ts'
import { inTransaction } from '../../../postgres/transaction.ts'
import { createHandOver, type HandOver } from '../../deliveries/hand-over.ts'
import { createReceiveDelivery } from '../../deliveries/receive-delivery.ts'
import type { Routes } from '../../deliveries/route-delivery.ts'
import type { HandleDeliveries } from './handle-deliveries.ts'
import { createIntakeMemory, type IntakeMemory } from './memory.ts'
import { createUnparkDeliveries, portion } from './unpark-deliveries.ts'

const number = '700700700700700'
const address = `number:${number}`
const everything: Position = positionOf('99999999999999999999')

describe('deliveries that were parked for a number, when it is connected', () => {
  let db: TestDatabase
  let pool: Pool
  let store: EventStore
  let memory: IntakeMemory
  let owner: string | undefined
  const routes: Routes = {
    channelOfNumber: (id) => (owner !== undefined && id === number ? { tenantId: owner, channelId: 'channel' } : undefined),
    tenantsOfWaba: () => [],
  }
  const clock = (): Date => new Date()
  const nothing = { outgoing: [], early: [], earlyDone: [], parked: [], opened: [], unparked: [] }

  beforeEach(async () => {
    db = await freshDatabase()
    pool = createPool({ url: db.url, role: 'recado_worker', max: 8, name: 'unpark' })
    const masterKey = randomBytes(32)
    await checkMasterKey({ pool, masterKey })
    const attachments = createAttachmentSeal(createVault({ pool, masterKey }))
    store = createPostgresEventStore({ pool, listenUrl: db.url, attachments })
    memory = createIntakeMemory(pool)
    owner = undefined
  })
  afterEach(async () => {
    await store.close()
    await pool.end()
    await db.drop()
  })

  /** Parked with the platform, or with a tenant whose own app signed them; then the number is connected. */
  async function park(count: number, tenantId?: string): Promise<void> {
    const receive = createReceiveDelivery({ store, routes, clock })
    await Promise.all(
      Array.from({ length: count }, async (_, n) => {
        const value = { metadata: { phone_number_id: number }, messages: [{ id: `wamid.${n}` }] }
        const parsed = { object: 'whatsapp_business_account', entry: [{ id: 'waba', changes: [{ field: 'messages', value }] }] }
        await receive({ raw: Buffer.from(JSON.stringify(parsed)), outline: { soleNumber: number }, app: 'default', tenantId })
      }),
    )
    const { events } = await store.readAll({ after: positionOf(0), limit: count })
    const parked = events.map(({ stream }) => ({ tenantId: stream.tenantId, deliveryId: stream.id, address }))
    // A page later its number is connected: the two are told apart by transaction, as they are by page.
    await inTransaction(pool, async (client) => memory.write(client, { ...nothing, parked }))
    await inTransaction(pool, async (client) => memory.write(client, { ...nothing, opened: [address, 'waba:of nobody'] }))
  }
  const openedNow = () => memory.openedAddresses()
  const parkedNow = async (): Promise<number> => (await pool.query('select from work.parked_deliveries')).rowCount ?? 0
  const handedOver = async (tenantId: string): Promise<number> =>
    (await store.readAll({ after: positionOf(0), limit: 100_000, filter: { tenantId, types: ['WebhookReceived'] } })).events.length

  /** A process: it runs until it is stopped, or killed, which here is the same but for what it had in hand. */
  function start(options: { intakeAt?: () => Position; handOver?: HandOver; handle?: HandleDeliveries } = {}) {
    const stop = new AbortController()
    const complaints: unknown[] = []
    const unpark = createUnparkDeliveries({
      store,
      memory,
      pool,
      directory: { waitFor: () => Promise.resolve() },
      handle: options.handle ?? (() => Promise.reject(new Error('all of these are with the platform'))),
      handOver: options.handOver ?? createHandOver({ store, routes, clock }),
      log: { warn: (...args: unknown[]) => void complaints.push(args) },
    })
    const ended = unpark.run({ signal: stop.signal, intakeAt: options.intakeAt ?? (() => everything) })
    return { unpark, complaints, stop: async () => (stop.abort(), ended) }
  }

  it('are handed over, all of them once, and nothing is left to do', async () => {
    await park(2 * portion + 50)
    owner = randomUUID()
    const process = start()
    await expect.poll(openedNow).toEqual([])
    await process.stop()
    expect(await parkedNow()).toBe(0)
    expect(await handedOver(owner)).toBe(2 * portion + 50)
    expect(process.complaints).toEqual([])
  })

  it('go into the log a portion at a time, the next one when the intake has passed the one before: so everybody else has their turn', async () => {
    await park(2 * portion + 50)
    owner = randomUUID()
    let intakeAt = positionOf(0)
    const process = start({ intakeAt: () => intakeAt })
    const tenantId = owner
    for (const soFar of [portion, 2 * portion, 2 * portion + 50]) {
      await expect.poll(() => handedOver(tenantId)).toBe(soFar)
      await expect.poll(parkedNow).toBe(2 * portion + 50 - soFar)
      const { position } = await store.head()
      // Long enough for many portions, were it not for the intake.
      await new Promise((resolve) => setTimeout(resolve, 300))
      expect((await store.head()).position).toBe(position)
      intakeAt = position
    }
    await expect.poll(openedNow).toEqual([])
    await process.stop()
  })

  it('go on where a crash ended them, and what it had in hand is there once', async () => {
    await park(portion + 50)
    owner = randomUUID()
    const good = createHandOver({ store, routes, clock })
    let left = 120
    const dying = start({
      handOver: async (...args) => {
        const answer = await good(...args)
        // Handed over, and gone before anybody noted it.
        if (left-- <= 0) throw new Error('the process is killed')
        return answer
      },
    })
    await expect.poll(() => dying.complaints.length).toBeGreaterThan(0)
    await dying.stop()
    expect(await parkedNow()).toBe(portion + 50)
    expect(await handedOver(owner)).toBeGreaterThan(100)
    expect(await memory.openedAddresses()).toMatchObject([{ address }])

    const next = start()
    await expect.poll(openedNow).toEqual([])
    await next.stop()
    expect(await parkedNow()).toBe(0)
    expect(await handedOver(owner)).toBe(portion + 50)
  })

  it('stay parked when their number has no owner again, and keep nobody busy', async () => {
    await park(portion + 50)
    const process = start()
    await expect.poll(openedNow).toEqual([])
    await process.stop()
    expect(await parkedNow()).toBe(portion + 50)
  })

  it('are done at once where the tenant had them all along, and early statuses among them wait for their message', async () => {
    const tenantId = randomUUID()
    await park(50, tenantId)
    const seen = new Set<string>()
    const report = { providerId: 'wamid.x', status: 'delivered', at: '2026-01-01T12:00:00.000Z' } as const
    const process = start({
      handle: (deliveries) => {
        for (const { stream } of deliveries) seen.add(stream.id)
        const [first, second] = deliveries
        const parked = second === undefined ? [] : [{ tenantId, deliveryId: second.stream.id, delivery: second, addresses: [address] }]
        return Promise.resolve({ early: [{ tenantId, deliveryId: first?.stream.id ?? '', report }], parked, failures: [], items: 50 })
      },
    })
    await expect.poll(openedNow).toEqual([])
    await process.stop()
    expect(seen.size).toBe(50)
    expect(await parkedNow()).toBe(1)
    expect(await memory.earlyStatusesOf([{ tenantId, providerId: 'wamid.x' }])).toMatchObject([{ report }])
  })

  it('are worked off as soon as a page opens their number, not with the next look', async () => {
    owner = randomUUID()
    const process = start()
    await new Promise((resolve) => setTimeout(resolve, 200))
    owner = undefined
    await park(10)
    owner = randomUUID()
    process.unpark.wake()
    // The next look is in a minute: longer than this is waited for.
    await expect.poll(parkedNow).toBe(0)
    await process.stop()
    expect(await handedOver(owner)).toBe(10)
    expect(
      (await store.readAll({ after: positionOf(0), limit: 100, filter: { tenantId: platformTenant, types: ['DeliveryRouted'] } })).events,
    ).toHaveLength(10)
  })
})
