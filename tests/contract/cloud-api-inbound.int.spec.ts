import { createHash, createHmac } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startSimulator, type Simulator } from '../../simulator/simulator.ts'
import { deliveryId } from '../../src/commands/deliveries/delivery-id.ts'
import { inboundMessageId } from '../../src/domain/conversation/conversation.ts'
import { appSecret, createInstallation, type Installation } from '../perf/installation.ts'
import { fieldRows } from './cloud-api/fields.ts'
import { messageRows } from './cloud-api/messages.ts'
import { statusRows } from './cloud-api/statuses.ts'

/**
 * Every payload shape of Meta's webhooks, signed, through the real endpoint of the started program to the query API.
 * The rows are in `cloud-api/`; a shape that Meta invents is one row more.
 */
let recado: Installation
let simulator: Simulator
const wabaId = '200200200200200'
const phoneNumberId = '100200300400500'
const businessPhone = '15550001111'

beforeAll(async () => {
  // What the news make the program ask of Meta (templates it does not know) is answered, and not by the real one.
  simulator = await startSimulator({ appSecret, verifyToken: 'bench' })
  simulator.addWaba({ id: wabaId })
  simulator.addToken({ token: 'bench-token' })
  recado = await createInstallation({ server: process.env['RECADO_TEST_POSTGRES'] ?? '', env: { META_GRAPH_URL: simulator.url }, phoneNumberId })
})
afterAll(async () => {
  await recado.end()
  await simulator.close()
})

type Json = Record<string, unknown>
type Delivery = { readonly id: string; readonly status: number }

async function post(field: string, value: Json, { scoped = true, entryId = wabaId } = {}): Promise<Delivery> {
  const metadata = { display_phone_number: businessPhone, phone_number_id: recado.phoneNumberId }
  const whole = scoped ? { messaging_product: 'whatsapp', metadata, ...value } : value
  const entry = { id: entryId, time: 1_760_000_000, changes: [{ field, value: whole }] }
  // As Meta writes JSON: everything that is not ASCII escaped.
  const body = JSON.stringify({ object: 'whatsapp_business_account', entry: [entry] }).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  const signature = `sha256=${createHmac('sha256', appSecret).update(body).digest('hex')}`
  const answer = await fetch(`${recado.recado.url}/webhooks/meta`, { method: 'POST', body, headers: { 'X-Hub-Signature-256': signature } })
  const raw = Buffer.from(body)
  return { id: deliveryId(raw, createHash('sha256').update(raw).digest('hex')), status: answer.status }
}

/** Asks until it matches; what it was at last is what the test shows. */
async function eventually(path: string, expected: unknown): Promise<void> {
  let found: unknown
  for (let n = 0; n < 400; n++) {
    found = await recado.get<Json>(path).catch((error: unknown) => (error instanceof Error ? error.message : error))
    try {
      expect(found).toMatchObject(expected as object)
      return
    } catch {
      await sleep(100)
    }
  }
  expect(found).toMatchObject(expected as object)
}

const processed = (delivery: Delivery): Promise<void> => eventually(`/v1/deliveries/${delivery.id}`, { state: 'processed' })

let made = 0
const seconds = (): string => String(Math.floor(Date.now() / 1000))
const customer = () => {
  made += 1
  const wa_id = String(15_550_100_000 + made)
  return { wa_id, user_id: `US.${wa_id}`, profile: { name: `Customer ${made}`, username: `customer.${made}` } }
}
const ourId = (providerId: string): string => inboundMessageId(recado.tenantId, recado.channelId, providerId)
const messagePath = (providerId: string): string => `/v1/messages/${ourId(providerId)}`

async function customerWrites(message: Json, who = customer(), more: Json = {}): Promise<{ providerId: string; delivery: Delivery }> {
  const providerId = `wamid.HBgL${String(++made)}/+==`
  const sent = { from: who.wa_id, from_user_id: who.user_id, id: providerId, timestamp: seconds(), ...message }
  return { providerId, delivery: await post('messages', { contacts: [who], messages: [sent], ...more }) }
}
async function phoneWrites(who = customer(), message: Json = { type: 'text', text: { body: 'From the phone' } }): Promise<string> {
  const providerId = `wamid.ECHO${String(++made)}`
  const echo = { from: businessPhone, to: who.wa_id, to_user_id: who.user_id, id: providerId, timestamp: seconds(), ...message }
  await post('smb_message_echoes', { contacts: [who], message_echoes: [echo] })
  return providerId
}

it('a message dated 2099 stands in the inbox, and opens the window, as of when it came', async () => {
  const who = customer()
  const before = Date.now()
  const { providerId } = await customerWrites({ type: 'text', text: { body: 'From the future' }, timestamp: '4070908800' }, who)
  await eventually(messagePath(providerId), { status: 'received' })
  const { conversation_id: id, occurred_at: at } = await recado.get<{ conversation_id: string; occurred_at: string }>(messagePath(providerId))
  const shown = await recado.get<{ window_expires_at: string; last_inbound_at: string }>(`/v1/conversations/${id}`)
  expect(Date.parse(at)).toBeGreaterThanOrEqual(before)
  expect(Date.parse(at)).toBeLessThanOrEqual(Date.now())
  expect(shown.last_inbound_at).toBe(at)
  expect(Date.parse(shown.window_expires_at) - Date.parse(at)).toBe(24 * 3_600_000)
  const { data } = await recado.get<{ data: { type: string; data: Json }[] }>(`/v1/events?stream=conversation-${id}`)
  expect(data.find(({ type }) => type === 'MessageReceived')?.data).toMatchObject({ at, claimed_at: '2099-01-01T00:00:00.000Z' })
})

it('a report that the account may not send is an alert, and stands with the channel', async () => {
  const other = await recado.neighbour({ phoneNumberId: '100200300400599', wabaId: '200200200200299', accessToken: 'bench-token' })
  const errors = [{ code: 131042, title: 'Business eligibility payment issue', message: 'Business eligibility payment issue' }]
  const status = {
    id: 'wamid.HBgLUNPAID',
    status: 'failed',
    timestamp: String(Math.floor(Date.now() / 1000) + 1),
    recipient_id: '15550100001',
    errors,
  }
  await post('messages', { metadata: { display_phone_number: '15550001199', phone_number_id: '100200300400599' }, statuses: [status] })
  await expect
    .poll(async () => other.get<Json>('/v1/alerts'), { timeout: 20_000 })
    .toMatchObject({ data: [{ code: 'channel_blocked', severity: 'critical', entity: { type: 'channel', id: other.channelId } }] })
  await expect
    .poll(async () => other.get<Json>(`/v1/channels/${other.channelId}`), { timeout: 20_000 })
    .toMatchObject({ status: 'connected', last_error: { code: 'provider_131042' } })
})

describe.concurrent('a message of a customer', () => {
  it.each(messageRows)('$name', async ({ message, value, from, shown, absent }) => {
    const who = customer()
    const sender = { ...(from !== 'user id only' && { from: who.wa_id }), ...(from !== 'phone only' && { from_user_id: who.user_id }) }
    const card = {
      profile: who.profile,
      ...(from !== 'user id only' && { wa_id: who.wa_id }),
      ...(from !== 'phone only' && { user_id: who.user_id }),
    }
    const providerId = `wamid.IN${String(++made)}`
    const sent = { id: providerId, timestamp: seconds(), ...sender, ...message }
    const delivery = await post('messages', { contacts: [card], messages: [sent], ...value })
    expect(delivery.status).toBe(200)
    await eventually(messagePath(providerId), { ...shown, provider_id: providerId })
    await processed(delivery)
    if (absent !== undefined) {
      const found = await recado.get<Json>(messagePath(providerId))
      for (const field of absent) expect(found).not.toHaveProperty(field)
    }
  })

  it('in a group is kept as news, and leaves the conversation with its writer as it is', async () => {
    const who = customer()
    const private_ = await customerWrites({ type: 'text', text: { body: 'Only to you' }, timestamp: String(Number(seconds()) - 3_600) }, who)
    await eventually(messagePath(private_.providerId), { status: 'received' })
    const { conversation_id: id } = await recado.get<{ conversation_id: string }>(messagePath(private_.providerId))
    await eventually(`/v1/conversations/${id}`, { unread_count: 1 })
    const before = await recado.get<Json>(`/v1/conversations/${id}`)
    const inGroup = { group_id: 'Y2FwaV9ncm91cDoxNTU1' }
    const written = await customerWrites({ ...inGroup, type: 'text', text: { body: 'To all of you' } }, who)
    const reaction = { message_id: private_.providerId, emoji: '👍' }
    const reacted = await customerWrites({ ...inGroup, type: 'reaction', reaction }, who)
    for (const { delivery } of [written, reacted]) {
      await processed(delivery)
      await eventually(`/v1/events?correlation_id=${delivery.id}`, { data: [{ type: 'WebhookReceived' }, { type: 'AccountNewsReceived' }] })
    }
    // Somebody's next message is shown after what came before it: from here on nothing of the group can still be on its way.
    const last = await customerWrites({ type: 'text', text: { body: 'x' } })
    await eventually(messagePath(last.providerId), { status: 'received' })
    expect(await recado.get<Json>(`/v1/conversations/${id}`)).toEqual(before)
    expect(await recado.get<Json>(messagePath(private_.providerId))).toMatchObject({ reactions: [] })
    await expect(recado.get<Json>(messagePath(written.providerId))).rejects.toThrow('404')
  })
  it('that changed the number keeps the conversation', async () => {
    const [before, after] = [customer(), customer()]
    const first = await customerWrites({ type: 'text', text: { body: 'old number' } }, before)
    await eventually(messagePath(first.providerId), { type: 'text' })
    const system = { type: 'user_changed_number', body: 'A changed', wa_id: after.wa_id, user_id: after.user_id }
    const changed = await customerWrites({ type: 'system', system }, before)
    await processed(changed.delivery)
    const second = await customerWrites({ type: 'text', text: { body: 'new number' } }, after)
    const { conversation_id: conversation } = await recado.get<Json>(messagePath(first.providerId))
    await eventually(messagePath(changed.providerId), { type: 'system', conversation_id: conversation })
    await eventually(messagePath(second.providerId), { conversation_id: conversation })
  })
  it('whose user id changed keeps the conversation', async () => {
    const who = customer()
    const first = await customerWrites({ type: 'text', text: { body: 'old id' } }, who)
    await eventually(messagePath(first.providerId), { type: 'text' })
    const now = `${who.user_id}9`
    const update = { wa_id: who.wa_id, detail: 'd', user_id: { previous: who.user_id, current: now }, timestamp: seconds() }
    await processed(await post('user_id_update', { contacts: [{ wa_id: who.wa_id, user_id: now }], user_id_update: [update] }))
    const hidden = { id: 'wamid.NOWHIDDEN', timestamp: seconds(), from_user_id: now, type: 'text', text: { body: 'new id' } }
    await post('messages', { contacts: [{ user_id: now, profile: who.profile }], messages: [hidden] })
    const { conversation_id: conversation } = await recado.get<Json>(messagePath(first.providerId))
    await eventually(messagePath('wamid.NOWHIDDEN'), { conversation_id: conversation })
  })
})

describe.concurrent('a change of a message', () => {
  const target = async () => {
    const who = customer()
    const { providerId } = await customerWrites({ type: 'text', text: { body: 'Hi' } }, who)
    return { who, providerId }
  }
  it.each([
    ['on', { emoji: '👍' }, [{ emoji: '👍', by: { kind: 'contact' } }]],
    ['off, without an emoji', {}, []],
    ['off, with an empty emoji', { emoji: '' }, []],
  ])('reaction %s', async (_name, more, reactions) => {
    const { who, providerId } = await target()
    if (reactions.length === 0) {
      const before = { type: 'reaction', reaction: { message_id: providerId, emoji: '❤️' }, timestamp: String(Number(seconds()) - 10) }
      await customerWrites(before, who)
      await eventually(messagePath(providerId), { reactions: [{ emoji: '❤️' }] })
    }
    const { delivery } = await customerWrites({ type: 'reaction', reaction: { message_id: providerId, ...more } }, who)
    await processed(delivery)
    await eventually(messagePath(providerId), { reactions })
  })
  it('edit, also of an edit', async () => {
    const { who, providerId } = await target()
    const edit = (body: string) => ({ original_message_id: providerId, message: { context: { id: 'wamid.X' }, type: 'text', text: { body } } })
    await customerWrites({ type: 'edit', edit: edit('Hi!'), timestamp: String(Number(seconds()) + 1) }, who)
    await eventually(messagePath(providerId), { content: { text: { body: 'Hi!' } }, edited_at: expect.any(String) as unknown })
    await customerWrites({ type: 'edit', edit: edit('Hi!!'), timestamp: String(Number(seconds()) + 5) }, who)
    await eventually(messagePath(providerId), { content: { text: { body: 'Hi!!' } } })
  })
  it('revoke, which keeps its place', async () => {
    const { who, providerId } = await target()
    await customerWrites({ type: 'revoke', revoke: { original_message_id: providerId } }, who)
    await eventually(messagePath(providerId), { content: null, revoked_at: expect.any(String) as unknown })
  })
  it('before the message itself', async () => {
    const who = customer()
    const { delivery } = await customerWrites({ type: 'revoke', revoke: { original_message_id: 'wamid.LATE' } }, who)
    await processed(delivery)
    await customerWrites({ type: 'text', text: { body: 'Hi' }, id: 'wamid.LATE' }, who)
    await eventually(messagePath('wamid.LATE'), { content: null, revoked_at: expect.any(String) as unknown })
  })
  it('by the phone of the business', async () => {
    const who = customer()
    const providerId = await phoneWrites(who)
    await phoneWrites(who, { type: 'edit', edit: { original_message_id: providerId, message: { type: 'text', text: { body: 'Better' } } } })
    await eventually(messagePath(providerId), { content: { text: { body: 'Better' } } })
    await phoneWrites(who, { type: 'revoke', revoke: { original_message_id: providerId } })
    await eventually(messagePath(providerId), { content: null })
  })
})

describe.concurrent('a status', () => {
  it.each(statusRows)('$name', async ({ statuses, shown, bare }) => {
    const who = customer()
    const providerId = await phoneWrites(who)
    const all = statuses.map((status, n) => ({
      id: providerId,
      timestamp: String(Number(seconds()) + n + 1),
      recipient_id: who.wa_id,
      recipient_user_id: who.user_id,
      ...status,
    }))
    const delivery = await post('messages', { ...(bare !== true && { contacts: [who] }), statuses: all })
    expect(delivery.status).toBe(200)
    await eventually(messagePath(providerId), shown)
    await processed(delivery)
  })
  it('that comes before its message is kept for it', async () => {
    await post('messages', { statuses: [{ id: 'wamid.EARLY', status: 'read', timestamp: seconds(), recipient_id: '15550009999' }] })
    const echo = { from: businessPhone, to: '15550009999', id: 'wamid.EARLY', timestamp: seconds(), type: 'text', text: { body: 'x' } }
    await post('smb_message_echoes', { message_echoes: [echo] })
    await eventually(messagePath('wamid.EARLY'), { status: 'read' })
  })
})

describe.concurrent('a number that stays on the phone', () => {
  it('shows what is written there as ours', async () => {
    await eventually(messagePath(await phoneWrites()), { direction: 'outbound', type: 'text', sent_by: { kind: 'phone' } })
  })
  it('shows what is written there to a customer with a hidden phone', async () => {
    const echo = { from: businessPhone, to_user_id: 'US.8800', id: 'wamid.HIDDEN', timestamp: seconds(), type: 'text', text: { body: 'x' } }
    await post('smb_message_echoes', { message_echoes: [echo] })
    await eventually(messagePath('wamid.HIDDEN'), { direction: 'outbound', sent_by: { kind: 'phone' } })
  })
  it('brings its history in both directions at its own time, with media that come later, and nothing of it is unread', async () => {
    const who = customer()
    const said = [
      { from: who.wa_id, id: 'wamid.OLD1', timestamp: '1750000000', type: 'text', text: { body: 'old' } },
      {
        from: businessPhone,
        to: who.wa_id,
        id: 'wamid.OLD2',
        timestamp: '1750000010',
        type: 'text',
        text: { body: 'older' },
        history_context: { status: 'READ' },
      },
      { from: who.wa_id, id: 'wamid.OLD3', timestamp: '1750000020', type: 'media_placeholder' },
    ]
    const context = { wa_id: who.wa_id, user_id: who.user_id, username: 'old.friend' }
    const chunk = { metadata: { phase: 0, chunk_order: 1, progress: 100 }, threads: [{ id: who.wa_id, context, messages: said }] }
    await processed(await post('history', { history: [chunk] }))
    await eventually(messagePath('wamid.OLD1'), { direction: 'inbound', occurred_at: '2025-06-15T15:06:40.000Z' })
    await eventually(messagePath('wamid.OLD2'), { direction: 'outbound', status: 'read', sent_by: { kind: 'phone' } })
    await eventually(messagePath('wamid.OLD3'), { type: 'media_placeholder' })
    const { conversation_id: conversation } = await recado.get<{ conversation_id: string }>(messagePath('wamid.OLD1'))
    await eventually(`/v1/conversations/${conversation}`, { unread_count: 0 })
    expect(await recado.get<Json>(`/v1/conversations/${conversation}`)).not.toHaveProperty('window_expires_at')
    const body = { from: who.wa_id, id: 'wamid.OLD3', timestamp: '1750000020', type: 'image', image: { id: '9100', mime_type: 'image/jpeg' } }
    await post('history', { messages: [body] })
    await eventually(messagePath('wamid.OLD3'), { type: 'image', content: { image: { id: '9100' } }, media: { mime_type: 'image/jpeg' } })
  })
  it('whose history is not shared says so', async () => {
    const delivery = await post('history', { history: [{ errors: [{ code: 2593109, title: 'History sync is turned off' }] }] })
    await eventually(`/v1/events?correlation_id=${delivery.id}`, { data: [{ type: 'WebhookReceived' }, { type: 'AccountNewsReceived' }] })
  })
  it('names contacts by its address book', async () => {
    const who = customer()
    const contact = { full_name: 'Ana of the address book', first_name: 'Ana', phone_number: who.wa_id, user_id: who.user_id }
    const entry = { type: 'contact', contact, action: 'add', metadata: { timestamp: seconds() } }
    await processed(await post('smb_app_state_sync', { state_sync: [entry] }))
    await eventually('/v1/contacts?limit=200', { data: expect.arrayContaining([expect.objectContaining({ wa_id: who.wa_id })]) as unknown })
  })
})

describe.concurrent('a field', () => {
  it.each(fieldRows(wabaId, phoneNumberId))('$field: $name', async ({ field, value, events, scoped, entryId }) => {
    const delivery = await post(field, value, { scoped: scoped === true, ...(entryId === undefined ? {} : { entryId }) })
    expect(delivery.status).toBe(200)
    const types = events.map((type) => expect.objectContaining({ type }) as unknown)
    await eventually(`/v1/events?correlation_id=${delivery.id}&limit=200`, { data: expect.arrayContaining(types) as unknown })
    await processed(delivery)
  })
})
