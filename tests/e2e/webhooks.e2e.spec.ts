import { createHmac } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { appSecret, createInstallation, type Installation } from '../perf/installation.ts'

/** The started program over HTTP only: signed webhooks in, the query API out. */
let recado: Installation
beforeAll(async () => {
  recado = await createInstallation({ server: process.env['RECADO_TEST_POSTGRES'] ?? '' })
})
afterAll(async () => recado.end())

type Conversation = { id: string; unread_count: number; contact: { name: string; wa_id: string }; last_message: { preview: string } }
type Listed<T> = { data: T[] }

const post = async (body: string, secret = appSecret): Promise<number> => {
  const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
  const answer = await fetch(`${recado.recado.url}/webhooks/meta`, { method: 'POST', body, headers: { 'X-Hub-Signature-256': signature } })
  expect(await answer.text()).toBe('')
  return answer.status
}
const change = (phoneNumberId: string, value: object) => ({
  field: 'messages',
  value: { messaging_product: 'whatsapp', metadata: { phone_number_id: phoneNumberId }, ...value },
})
const delivery = (...changes: object[]) => JSON.stringify({ object: 'whatsapp_business_account', entry: [{ id: 'waba', changes }] })
const text = (from: string, id: string, body: string) => ({
  from,
  id,
  timestamp: String(Math.floor(Date.now() / 1000)),
  type: 'text',
  text: { body },
})
const inboundOf = (from: string, id: string, body: string, phoneNumberId = recado.phoneNumberId) =>
  change(phoneNumberId, { contacts: [{ wa_id: from, profile: { name: `Customer ${from}` } }], messages: [text(from, id, body)] })

async function until<T>(ask: () => Promise<T>, good: (found: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const found = await ask()
    if (good(found) || tries > 400) return found
    await sleep(100)
  }
}
const conversationOf = async (waId: string, good: (one: Conversation) => boolean = () => true): Promise<Conversation> => {
  const found = await until(
    async () => (await recado.get<Listed<Conversation>>('/v1/conversations?limit=200')).data.find(({ contact }) => contact.wa_id === waId),
    (one) => one !== undefined && good(one),
  )
  if (found === undefined) throw new Error(`no conversation with ${waId}`)
  return found
}

describe('a signed webhook', () => {
  it('becomes a conversation that the query API shows', async () => {
    expect(await post(delivery(inboundOf('15550001001', 'wamid.A1', 'Hola 👋')))).toBe(200)
    expect(await conversationOf('15550001001')).toMatchObject({
      unread_count: 1,
      contact: { name: 'Customer 15550001001' },
      last_message: { preview: 'Hola 👋' },
    })
  })
  it('sent again in any company changes nothing', async () => {
    const again = delivery(inboundOf('15550001002', 'wamid.B1', 'once'))
    await Promise.all(Array.from({ length: 5 }, () => post(again)))
    await post(delivery(inboundOf('15550001002', 'wamid.B1', 'once'), inboundOf('15550001002', 'wamid.B2', 'twice')))
    expect((await conversationOf('15550001002', ({ unread_count: unread }) => unread >= 2)).unread_count).toBe(2)
    await sleep(300)
    expect((await conversationOf('15550001002')).unread_count).toBe(2)
  })
  it('with a poison item loses that item only, and says so', async () => {
    const value = {
      messages: [text('15550001003', 'wamid.C1', 'before'), { id: 'wamid.C2', type: 'text' }, text('15550001003', 'wamid.C3', 'after')],
    }
    expect(await post(delivery(change(recado.phoneNumberId, value)))).toBe(200)
    expect((await conversationOf('15550001003', ({ unread_count: unread }) => unread === 2)).unread_count).toBe(2)
    const { data } = await until(
      () => recado.get<Listed<{ id: string; state: string }>>('/v1/deliveries?state=failed'),
      (found) => found.data.length > 0,
    )
    expect(data).toHaveLength(1)
  })
  it.each([
    ['nothing at all', '{}'],
    ['a list', '[]'],
    ['a number', '7'],
    ['odd entries', '{"object":"whatsapp_business_account","entry":[null,{"id":1,"changes":[{"field":"messages","value":null},7]}]}'],
    ['a field nobody knows', '{"entry":[{"id":"w","changes":[{"field":"tomorrow","value":{"x":1}}]}]}'],
  ])('that says %s is kept and acknowledged', async (_what, body) => {
    expect(await post(body)).toBe(200)
  })
  it('does not stop those that come after something odd', async () => {
    await post(delivery(inboundOf('15550001004', 'wamid.D1', 'still here')))
    expect((await conversationOf('15550001004')).last_message.preview).toBe('still here')
  })
})

describe('a message for a number that nobody has connected', () => {
  it('is parked, and processed once the number is connected', async () => {
    const number = '700700700700700'
    expect(await post(delivery(inboundOf('15550002001', 'wamid.E1', 'early bird', number)))).toBe(200)
    await sleep(500)
    await recado.post('/v1/channels', {
      kind: 'business',
      name: 'Late',
      phone_number_id: number,
      waba_id: '701701701701701',
      access_token: 'x',
      verify: false,
    })
    expect((await conversationOf('15550002001')).last_message.preview).toBe('early bird')
  })
})

describe('a status', () => {
  it('that nobody can place yet is kept without a word', async () => {
    const value = { statuses: [{ id: 'wamid.unknown', status: 'delivered', timestamp: '1790000000', recipient_id: '15550001001' }] }
    expect(await post(delivery(change(recado.phoneNumberId, value)))).toBe(200)
    const { data } = await recado.get<Listed<{ state: string }>>('/v1/deliveries?state=failed')
    expect(data).toHaveLength(1)
  })
})

describe('another secret', () => {
  it('opens nothing', async () => {
    expect(await post(delivery(inboundOf('15550009999', 'wamid.Z', 'forged')), 'not-the-secret')).toBe(401)
    const { data } = await recado.get<Listed<Conversation>>('/v1/conversations?limit=200')
    expect(data.map(({ contact }) => contact.wa_id)).not.toContain('15550009999')
  })
})

describe('another method at an address of webhooks', () => {
  it.each([
    ['OPTIONS', '/webhooks/meta'],
    ['DELETE', '/webhooks/meta/some-hook'],
    ['PUT', '/api/whatsapp/webhook'],
  ])('%s %s is 405, and says what there is', async (method, path) => {
    const answer = await fetch(`${recado.recado.url}${path}`, { method })
    expect(answer.status).toBe(405)
    expect(answer.headers.get('allow')).toBe('GET, POST')
    expect(answer.headers.get('content-type')).toMatch('application/problem+json')
    expect(await answer.json()).toMatchObject({ status: 405, code: 'method_not_allowed' })
  })
})

it('a process whose appends the database refuses for want of room is not ready until one goes through', async () => {
  const ready = async () => (await fetch(`${recado.recado.url}/readyz`)).json()
  const owner = new Client({ connectionString: recado.databaseUrl })
  await owner.connect()
  try {
    await owner.query(`create function pg_temp.full() returns trigger language plpgsql as
      $$ begin raise exception 'could not extend file: No space left on device' using errcode = 'disk_full'; end $$`)
    await owner.query('create trigger no_room before insert on es.events for each statement execute function pg_temp.full()')
    expect(await post(delivery(inboundOf('15550001090', 'wamid.FULL1', 'No room')))).toBe(503)
    expect(await ready()).toMatchObject({ status: 'not_ready', checks: { appends: 'the disk of the database is full', store: 'ok', database: 'ok' } })
    await owner.query('drop trigger no_room on es.events')
    await expect.poll(async () => post(delivery(inboundOf('15550001090', 'wamid.FULL1', 'No room'))), { timeout: 30_000 }).toBe(200)
    expect(await ready()).toMatchObject({ status: 'ready', checks: { appends: 'ok' } })
  } finally {
    await owner.query('drop trigger if exists no_room on es.events')
    await owner.end()
  }
})
