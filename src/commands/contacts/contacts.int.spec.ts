import { randomBytes, randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { createPostgresEventStore } from '../../adapters/event-store/postgres/event-store.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { checkMasterKey } from '../../adapters/keyring/master-key.ts'
import { createVault } from '../../adapters/keyring/vault.ts'
import { contact } from '../../domain/contact/contact.ts'
import { currentOf } from '../../domain/contact/identities.ts'
import { conversation, conversationId, type ConversationCommand } from '../../domain/conversation/conversation.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import { start } from '../../domain/kernel/position.ts'
import { createPool } from '../../postgres/pool.ts'
import { createCommands } from '../kernel/execute.ts'
import { createApplyItems, type Received } from '../processes/intake/apply-items.ts'
import { runIntake } from '../processes/intake/intake.ts'
import { createIntakeMemory } from '../processes/intake/memory.ts'
import type { Item } from '../processes/intake/meta/items.ts'
import { translate } from '../processes/intake/meta/translate.ts'
import { createAddressOf } from './address-of.ts'
import { createHearOfContact } from './hear-of-contact.ts'
import { createMeetContact, type Person } from './meet-contact.ts'
import { createStopMarketing } from './stop-marketing.ts'

let db: TestDatabase
let world: Awaited<ReturnType<typeof startWorld>>

/** One database and as many processes on it as a test wants, each with a memory of its own. */
async function startWorld(url: string) {
  const pool = createPool({ url, role: 'recado_worker', max: 8, name: 'contacts' })
  const masterKey = randomBytes(32)
  await checkMasterKey({ pool, masterKey })
  const log = createPostgresEventStore({ pool, listenUrl: url })
  let [underWay, most] = [0, 0]
  const store: EventStore = {
    ...log,
    async append(append) {
      most = Math.max(most, ++underWay)
      return log.append(append).finally(() => underWay--)
    },
  }
  function process() {
    const vault = createVault({ pool, masterKey, cacheSize: 500 })
    const commands = createCommands({ store, vault, cacheSize: 500 })
    const meetContact = createMeetContact({ commands, vault, cacheSize: 500 })
    const hearOfContact = createHearOfContact({ commands, vault, meetContact })
    const memory = createIntakeMemory(pool)
    const intakeOf = (tenantId: string, channelId: string) =>
      createApplyItems({
        commands,
        meetContact,
        memory,
        routes: { channelOfNumber: () => ({ tenantId, channelId }) } as never,
        handlers: {
          contact: async ({ item }, context) => void (await hearOfContact(item.person, item.news, context)),
          news: () => Promise.resolve(),
          failedReport: () => Promise.resolve(),
        },
      })
    return {
      pool,
      vault,
      commands,
      memory,
      meetContact,
      hearOfContact,
      intakeOf,
      stopMarketing: createStopMarketing({ commands }),
      addressOf: createAddressOf({ store, vault }),
    }
  }
  return {
    store,
    /** Appends under way at the same time while `work` went on. */
    async mostAtOnce(work: () => Promise<unknown>): Promise<number> {
      most = 0
      await work()
      return most
    },
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

describe('who stopped marketing, as Meta says when a message is refused (131050)', () => {
  const error = { code: 'provider_131050', title: 'The person stopped marketing messages', retryable: false }
  const sentAt = '2026-10-09T08:01:00.000Z'

  /** A customer who wrote, and a message of ours to them that is on its way. */
  async function queued() {
    const tenantId = randomUUID()
    const here = world.process()
    await here.intakeOf(tenantId, 'channel')(delivered(tenantId, { messages: [text('wamid.1', { from: '34600000001' })] }))
    const [contactId = ''] = await world.contactsOf(tenantId)
    const id = conversationId(tenantId, 'channel', contactId)
    const parties = { channelId: 'channel', contactId, messageId: 'm-1' }
    const send = {
      messageType: 'template',
      content: '{}',
      sentBy: { kind: 'campaign' as const },
      priority: 'campaign' as const,
      at: new Date(sentAt),
    }
    const say = async (command: ConversationCommand) => here.commands.execute(conversation, id, command, contextOf(tenantId, sentAt))
    await say({ type: 'queue', ...parties, ...send })
    await say({ type: 'recordAttempt', messageId: 'm-1', attempt: 1 })
    const consent = async () => (await world.process().commands.load(contact, tenantId, contactId)).state.consents['marketing']
    return { ...here, tenantId, say, consent }
  }

  it('is kept as a consent when a status says so, once however often it comes', async () => {
    const { tenantId, say, consent, intakeOf, pool } = await queued()
    await say({ type: 'recordAccepted', messageId: 'm-1', attempt: 1, providerId: 'wamid.out' })
    const { events } = await world.store.readAll({ after: start, filter: { tenantId, types: ['MessageQueued'] }, limit: 1 })
    await pool.query("insert into work.outgoing (tenant_id, message_id, conversation_id, provider_id) values ($1, 'm-1', $2, 'wamid.out')", [
      tenantId,
      events[0]?.stream.id,
    ])
    const failed = { id: 'wamid.out', status: 'failed', timestamp: '1760000100', errors: [{ code: 131050, title: 'Stopped' }] }
    await intakeOf(tenantId, 'channel')(delivered(tenantId, { statuses: [failed] }))
    expect(await consent()).toEqual({ granted: false, at: '2025-10-09T08:55:00.000Z' })
    const { position } = await world.store.head()
    await world.process().intakeOf(tenantId, 'channel')(delivered(tenantId, { statuses: [failed] }))
    expect((await world.store.head()).position).toBe(position)
  })
  it('is kept as a consent when the call itself was refused so', async () => {
    const { say, consent, stopMarketing, memory, pool } = await queued()
    await say({ type: 'recordFailed', messageId: 'm-1', attempt: 1, error, at: sentAt })
    const stop = new AbortController()
    const nothing = { wake: () => undefined, run: () => Promise.resolve() }
    const running = runIntake(
      {
        store: world.store,
        pool,
        memory,
        stopMarketing,
        handle: () => Promise.resolve({ early: [], parked: [], failures: [], items: 0 }),
        unpark: nothing,
        history: { ...nothing, postpone: () => Promise.resolve() },
        owner: randomUUID(),
        log: pino({ level: 'silent' }),
      },
      { signal: stop.signal },
    )
    await expect.poll(consent).toEqual({ granted: false, at: sentAt })
    stop.abort()
    await running
  })
})

describe('the address book of a phone', () => {
  it('of thousands is heard in one go, and a number that changed hands in it ends with the right person', async () => {
    const tenantId = randomUUID()
    const { intakeOf, addressOf } = world.process()
    const book = Array.from({ length: 2_000 }, (_, n) => ({
      type: 'contact',
      action: 'add',
      contact: { full_name: `Person ${n}`, phone_number: `+34 6100${10_000 + n}` },
      metadata: { timestamp: '1760000001' },
    }))
    const most = await world.mostAtOnce(async () => {
      const leftover = await intakeOf(tenantId, 'channel')(delivered(tenantId, { state_sync: book }, 'smb_app_state_sync'))
      expect(leftover.failures).toEqual([])
    })
    // People do not wait for each other: one after the other it is one.
    expect(most).toBeGreaterThan(50)
    expect(await world.contactsOf(tenantId)).toHaveLength(2_000)

    const moves = [1, 2, 3].map((n) => ({
      id: `wamid.${n}`,
      timestamp: `176000010${n}`,
      type: 'system',
      from: `3470000000${n}`,
      system: { type: 'user_changed_number', body: 'changed', wa_id: `3470000000${n + 1}` },
    }))
    const first = text('wamid.0', { from: '34700000001' })
    await intakeOf(tenantId, 'channel')(delivered(tenantId, { messages: [first] }))
    await intakeOf(tenantId, 'channel')(delivered(tenantId, { messages: moves }))
    const [mover = '', ...others] = (await world.contactsOf(tenantId)).slice(2_000)
    expect(others).toEqual([])
    expect(await addressOf(tenantId, mover)).toEqual({ waId: '34700000004' })
  }, 60_000)
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
