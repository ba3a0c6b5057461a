import { randomBytes, randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../tests/support/database.ts'
import { createPostgresEventStore } from '../adapters/event-store/postgres/event-store.ts'
import { checkMasterKey } from '../adapters/keyring/master-key.ts'
import { createAttachmentSeal } from '../adapters/keyring/attachment-seal.ts'
import { createVault } from '../adapters/keyring/vault.ts'
import { renderWould } from '../api/deliveries/would.ts'
import { channel } from '../domain/channel/channel.ts'
import type { CommandContext } from '../domain/kernel/context.ts'
import type { EventStore } from '../domain/kernel/event-store.ts'
import { positionOf, start } from '../domain/kernel/position.ts'
import { platformTenant } from '../domain/kernel/stream.ts'
import { createPool } from '../postgres/pool.ts'
import { createUseCases, type UseCases } from './use-cases.ts'

const tenantId = randomUUID()
const phoneNumberId = '300300300300300'

let db: TestDatabase
let pool: Pool
let store: EventStore
let useCases: UseCases
beforeAll(async () => {
  db = await freshDatabase()
  pool = createPool({ url: db.url, role: 'recado_worker', max: 10, name: 'replay' })
  const masterKey = randomBytes(32)
  await checkMasterKey({ pool, masterKey })
  const vault = createVault({ pool, masterKey })
  store = createPostgresEventStore({ pool, listenUrl: db.url, attachments: createAttachmentSeal(vault) })
  // Nothing of Meta and no file is touched by a delivery: what is not given here fails when it is used.
  const parts = { storage: { store, vault, workerPool: pool, apiPool: pool }, converter: {}, cloudApi: {}, mediaApi: {}, templatesApi: {} }
  useCases = createUseCases({
    ...(parts as unknown as Parameters<typeof createUseCases>[0]),
    publicUrl: 'https://recado.example',
    clock: () => new Date(),
    onFailed(error) {
      throw error
    },
    trusting: true,
  })
  await useCases.directory.ready()
})
afterAll(async () => {
  await useCases.directory.close()
  await store.close()
  await pool.end()
  await db.drop()
})

const context = (tenant = tenantId): CommandContext => {
  const commandId = randomUUID()
  return { tenantId: tenant, actor: { kind: 'operator', id: 'test' }, commandId, correlationId: commandId, causationId: commandId, at: new Date() }
}

/** A customer's messages, received and not worked through: there is no intake here. */
async function receive(texts: readonly string[]): Promise<string> {
  const messages = texts.map((body, n) => ({ from: '34600111222', id: `wamid.${n}`, timestamp: '1700000000', type: 'text', text: { body } }))
  const contacts = [{ profile: { name: 'Ana Pérez' }, wa_id: '34600111222' }]
  const value = { messaging_product: 'whatsapp', metadata: { display_phone_number: '34900', phone_number_id: phoneNumberId }, contacts, messages }
  const parsed = { object: 'whatsapp_business_account', entry: [{ id: '400', changes: [{ field: 'messages', value }] }] }
  await useCases.receive({ raw: Buffer.from(JSON.stringify(parsed)), outline: { soleNumber: undefined }, app: 'default' })
  const { events } = await store.readAll({ after: start, filter: { types: ['WebhookReceived'] }, limit: 100 })
  return events.at(-1)?.stream.id ?? ''
}

const everything = async (): Promise<unknown> => {
  const { rows } = await pool.query(
    `select (select count(*) from es.events) as events, (select count(*) from keyring.subject_keys) as keys,
       (select count(*) from work.parked_deliveries) as parked, (select count(*) from work.early_statuses) as early`,
  )
  return rows[0]
}

describe('a replay', () => {
  it('of a delivery of nobody says in a dry run that it would still wait', async () => {
    const id = await receive(['before the number was connected'])
    const before = await everything()
    expect(await useCases.replay({ deliveryId: id, dryRun: true }, context(platformTenant))).toMatchObject({ waiting: true, events: [] })
    expect(await everything()).toEqual(before)
  })

  it('does what its dry run said, and a dry run does nothing', async () => {
    const connection = { verified: false, facts: { displayPhone: '+34 900' } }
    const added = await useCases.commands.execute(
      channel,
      randomUUID(),
      { type: 'add', name: 'Ventas', phoneNumberId, wabaId: '400', accessToken: 'secret', connection },
      context(),
    )
    if (!('position' in added)) throw new Error('nobody else has the number')
    await useCases.directory.waitFor(added.position)
    const id = await receive(['hola', '¿hay alguien?'])
    expect(id).toMatch(/^[0-9a-f]{32}$/)

    const before = await everything()
    const { position: head } = await store.head()
    const dry = await useCases.replay({ deliveryId: id, dryRun: true }, context())
    expect(await everything()).toEqual(before)
    if (!('events' in dry) || dry.events === undefined) throw new Error('a dry run says what would be appended')
    expect(dry).toMatchObject({ items: 2, failed: 0, waiting: false })
    const would = dry.events.map(({ stream, version, event }) => `${stream.category} ${stream.id} ${version} ${event.type}`)
    expect(would.filter((line) => line.endsWith('MessageReceived'))).toHaveLength(2)
    const shown = JSON.stringify(dry.events.map(renderWould))
    for (const personal of ['hola', 'alguien', 'Ana', '34600111222']) expect(shown).not.toContain(personal)

    const replayed = context()
    expect(await useCases.replay({ deliveryId: id, dryRun: false }, replayed)).toMatchObject({ items: 2, failed: 0, waiting: false })
    const { events } = await store.readAll({ after: head, limit: 1_000 })
    const happened = events.map(({ stream, version, type }) => `${stream.category} ${stream.id} ${version} ${type}`)
    expect(happened.filter((line) => !line.endsWith('DeliveryReplayed')).toSorted()).toEqual(would.toSorted())

    // The same wish once more finds its note; another one finds that there is nothing left to do.
    const { position: after } = await store.head()
    expect(await useCases.replay({ deliveryId: id, dryRun: false }, replayed)).toMatchObject({ items: 2, failed: 0 })
    expect((await store.head()).position).toBe(after)
    expect(await useCases.replay({ deliveryId: id, dryRun: true }, context())).toMatchObject({ items: 2, events: [] })
    await useCases.replay({ deliveryId: id, dryRun: false }, context())
    expect((await store.head()).position).toBe(positionOf(BigInt(after) + 1n))
  })
})
