import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { createPostgresEventStore } from '../../adapters/event-store/postgres/event-store.ts'
import { checkMasterKey } from '../../adapters/keyring/master-key.ts'
import { createVault } from '../../adapters/keyring/vault.ts'
import { contact } from '../../domain/contact/contact.ts'
import { currentOf } from '../../domain/contact/identities.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import { start } from '../../domain/kernel/position.ts'
import { createPool } from '../../postgres/pool.ts'
import { createCommands } from '../kernel/execute.ts'
import { createApplyItems, type Received } from '../processes/intake/apply-items.ts'
import { createIntakeMemory } from '../processes/intake/memory.ts'
import type { Item } from '../processes/intake/meta/items.ts'
import { translate } from '../processes/intake/meta/translate.ts'
import { createAddressOf } from './address-of.ts'
import { createHearOfContact } from './hear-of-contact.ts'
import { createMeetContact, type Person } from './meet-contact.ts'

let db: TestDatabase
let world: Awaited<ReturnType<typeof startWorld>>

/** One database and as many processes on it as a test wants, each with a memory of its own. */
async function startWorld(url: string) {
  const pool = createPool({ url, role: 'recado_worker', max: 8, name: 'contacts' })
  const masterKey = randomBytes(32)
  await checkMasterKey({ pool, masterKey })
  const store = createPostgresEventStore({ pool, listenUrl: url })
  function process() {
    const vault = createVault({ pool, masterKey, cacheSize: 500 })
    const commands = createCommands({ store, vault, cacheSize: 500 })
    const meetContact = createMeetContact({ commands, vault, cacheSize: 500 })
    const hearOfContact = createHearOfContact({ commands, vault, meetContact })
    const intakeOf = (tenantId: string, channelId: string) =>
      createApplyItems({
        commands,
        meetContact,
        memory: createIntakeMemory(pool),
        routes: { channelOfNumber: () => ({ tenantId, channelId }) } as never,
        handlers: {
          contact: async ({ item }, context) => void (await hearOfContact(item.person, item.news, context)),
          news: () => Promise.resolve(),
        },
      })
    return { vault, commands, meetContact, hearOfContact, intakeOf, addressOf: createAddressOf({ store, vault }) }
  }
  return {
    store,
    process,
    async contactsOf(tenantId: string): Promise<readonly string[]> {
      const { events } = await store.readAll({ after: start, filter: { tenantId, types: ['ContactCreated'] }, limit: 100_000 })
      return events.map(({ stream }) => stream.id)
    },
    async stop() {
      await store.close()
      await pool.end()
    },
  }
}

beforeAll(async () => {
  db = await freshDatabase()
  world = await startWorld(db.url)
})
afterAll(async () => {
  await world.stop()
  await db.drop()
})

const contextOf = (tenantId: string, at = '2026-10-09T08:00:00.000Z'): CommandContext => {
  const commandId = randomUUID()
  return { tenantId, actor: { kind: 'provider', id: 'meta' }, commandId, correlationId: commandId, causationId: commandId, at: new Date(at) }
}
const receivedAt = new Date('2026-10-09T08:00:00Z')
const delivered = (tenantId: string, value: object, field = 'messages'): Received[] => {
  const delivery = { entry: [{ id: 'waba', changes: [{ field, value: { metadata: { phone_number_id: '100' }, ...value } }] }] }
  return translate(delivery, receivedAt).map((item: Item) => ({ tenantId, deliveryId: randomUUID(), causationId: randomUUID(), item }))
}
const text = (id: string, from: object, timestamp = '1760000001') => ({ id, timestamp, type: 'text', text: { body: 'Hola' }, ...from })

describe('two processes that meet the same people at the same moment', () => {
  it('make one contact of each, under whichever ids they came', async () => {
    const tenantId = randomUUID()
    const processes = [world.process(), world.process()] as const
    const people = Array.from({ length: 100 }, (_, n) => ({ waId: `3460000${1000 + n}`, bsuid: `ES.${n}`, parentBsuid: `ES.ENT.${n}` }))
    const ways = people.flatMap(({ waId, bsuid, parentBsuid }): Person[] => [
      { waId, bsuid },
      { bsuid },
      { bsuid, parentBsuid },
      { waId, bsuid, parentBsuid },
    ])
    const met = await Promise.all(
      ways.flatMap((person) =>
        processes.map(async ({ meetContact }) => ({ person, contactId: (await meetContact(person, 'inbound', contextOf(tenantId))).contactId })),
      ),
    )
    const homes = Map.groupBy(met, ({ person }) => person.bsuid)
    for (const [bsuid, all] of homes) expect([bsuid, new Set(all.map(({ contactId }) => contactId)).size]).toEqual([bsuid, 1])
    expect(await world.contactsOf(tenantId)).toHaveLength(people.length)
  })
})

describe('a page of webhooks', () => {
  it('is one contact and one conversation for who hides the phone in one message and shows it in the next', async () => {
    const tenantId = randomUUID()
    const { intakeOf, addressOf } = world.process()
    const contacts = [{ wa_id: '34600000001', user_id: 'ES.1', profile: { name: 'Ana', username: '@ana' } }]
    const hidden = delivered(tenantId, { messages: [text('wamid.1', { from_user_id: 'ES.1' })] })
    const open = delivered(tenantId, { contacts, messages: [text('wamid.2', { from: '34600000001', from_user_id: 'ES.1' })] })
    const leftover = await intakeOf(tenantId, 'channel')([...hidden, ...open])
    expect(leftover).toEqual({ early: [], unknownNumbers: [], failures: [] })
    const [contactId = '', ...others] = await world.contactsOf(tenantId)
    expect(others).toEqual([])
    expect(await addressOf(tenantId, contactId)).toEqual({ waId: '34600000001' })
    const { events } = await world.store.readAll({ after: start, filter: { tenantId, types: ['ConversationStarted', 'MessageReceived'] }, limit: 10 })
    expect(events.map(({ type }) => type)).toEqual(['ConversationStarted', 'MessageReceived', 'MessageReceived'])
  })

  it('again, in another process that remembers nothing, changes nothing', async () => {
    const tenantId = randomUUID()
    const people = Array.from({ length: 50 }, (_, n) =>
      delivered(tenantId, { messages: [text(`wamid.${n}`, { from: `5561812345${10 + n}`, from_user_id: `BR.${n}` })] }),
    )
    await world.process().intakeOf(tenantId, 'channel')(people.flat())
    const { position } = await world.store.head()
    await world.process().intakeOf(tenantId, 'channel')(people.flat().toReversed())
    for (const some of people.slice(0, 5)) await world.process().intakeOf(tenantId, 'channel')(some)
    expect((await world.store.head()).position).toBe(position)
  })

  it('writes to the new number of who changed it, in the same conversation', async () => {
    const tenantId = randomUUID()
    const { intakeOf, addressOf, commands } = world.process()
    const apply = intakeOf(tenantId, 'channel')
    await apply(delivered(tenantId, { messages: [text('wamid.1', { from: '34600000001', from_user_id: 'ES.1' })] }))
    const [contactId = ''] = await world.contactsOf(tenantId)
    const system = { type: 'user_changed_number', body: 'User changed', wa_id: '34600000002', user_id: 'ES.2' }
    const moved = delivered(tenantId, { messages: [{ id: 'wamid.2', timestamp: '1760000002', type: 'system', from: '34600000001', system }] })
    await apply([...moved, ...delivered(tenantId, { messages: [text('wamid.3', { from: '34600000002', from_user_id: 'ES.2' }, '1760000003')] })])
    expect(await world.contactsOf(tenantId)).toEqual([contactId])
    expect(await addressOf(tenantId, contactId)).toEqual({ waId: '34600000002' })
    expect(currentOf((await commands.load(contact, tenantId, contactId)).state.identities, 'bsuid')).toMatchObject({
      since: '2025-10-09T08:53:22.000Z',
    })
    const { events } = await world.store.readAll({ after: start, filter: { tenantId, types: ['ConversationStarted'] }, limit: 10 })
    expect(events).toHaveLength(1)
  })

  it('keeps a wish to get no more marketing, and takes a new user id', async () => {
    const tenantId = randomUUID()
    const { intakeOf, addressOf, commands } = world.process()
    const apply = intakeOf(tenantId, 'channel')
    const stop = { user_id: 'ES.1', category: 'marketing_messages', value: 'stop', timestamp: 1_760_000_001 }
    await apply(delivered(tenantId, { user_preferences: [stop] }, 'user_preferences'))
    await apply(
      delivered(tenantId, { user_id_update: [{ user_id: { previous: 'ES.1', current: 'ES.2' }, timestamp: '1760000002' }] }, 'user_id_update'),
    )
    const [contactId = '', ...others] = await world.contactsOf(tenantId)
    expect(others).toEqual([])
    expect((await commands.load(contact, tenantId, contactId)).state.consents['marketing']).toMatchObject({ granted: false })
    expect(await addressOf(tenantId, contactId)).toEqual({ bsuid: 'ES.2' })
  })
})

describe('the address of a contact', () => {
  it('is the number as Meta wrote it last, and not as a caller writes it', async () => {
    const tenantId = randomUUID()
    const { meetContact, addressOf } = world.process()
    const caller = { ...contextOf(tenantId), actor: { kind: 'api', id: 'key' } } as const
    const { contactId } = await meetContact({ waId: '5561981234567' }, 'outbound', caller)
    expect(await addressOf(tenantId, contactId)).toEqual({ waId: '5561981234567' })
    await meetContact({ waId: '556181234567' }, 'inbound', contextOf(tenantId))
    await meetContact({ waId: '5561981234567' }, 'outbound', caller)
    expect(await addressOf(tenantId, contactId)).toEqual({ waId: '556181234567' })
  })
  it('is unknown for who does not exist', async () => {
    expect(await world.process().addressOf(randomUUID(), 'nobody')).toEqual({ missing: true })
  })
})
