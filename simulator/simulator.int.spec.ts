import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startSimulator, type Simulator } from './simulator.ts'
import { startReceiver, type Receiver } from './testing/receiver.ts'

const waba = '200000000000001'
const number = '200000000000002'
const token = 'token-for-tests'
const ana = '573005550101'

type Json = Record<string, unknown> & { error?: { code: number; message: string; error_subcode?: number; error_data?: { details: string } } }

let receiver: Receiver
let simulator: Simulator

beforeEach(async () => {
  receiver = await startReceiver('app-secret', 'verify-me')
  simulator = await startSimulator({
    appSecret: 'app-secret',
    verifyToken: 'verify-me',
    switches: { status_delay_ms: { sent: 1, delivered: 1, read: 1 }, template_review_ms: 1 },
    webhookRetryMaxMs: 50,
  })
  await simulator.setWebhook({ url: receiver.url })
  simulator.addNumber({ waba_id: waba, phone_number_id: number, display_phone_number: '+1 555-000-1111', verified_name: 'Tienda' })
  simulator.addToken({ token })
})
afterEach(async () => {
  await simulator.close()
  await receiver.close()
})

async function graph(method: string, path: string, body?: unknown, bearer = token): Promise<{ status: number; json: Json }> {
  const response = await fetch(`${simulator.url}/v26.0/${path}`, {
    method,
    headers: { authorization: `Bearer ${bearer}`, ...(body !== undefined && !(body instanceof FormData) && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: body instanceof FormData ? body : JSON.stringify(body) }),
  })
  return { status: response.status, json: (await response.json()) as Json }
}
async function control(method: string, path: string, body?: unknown): Promise<Json> {
  const response = await fetch(`${simulator.url}/_sim/${path}`, { method, ...(body !== undefined && { body: JSON.stringify(body) }) })
  return (await response.json()) as Json
}
const text = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  messaging_product: 'whatsapp',
  to: `+${ana}`,
  type: 'text',
  text: { body: 'Hola' },
  ...more,
})
const sendText = (more: Record<string, unknown> = {}): ReturnType<typeof graph> => graph('POST', `${number}/messages`, text(more))
const idOf = (answer: { json: Json }): string => (answer.json['messages'] as { id: string }[])[0]?.id ?? ''

describe('a customer writes', () => {
  it('reaches the webhook signed over the escaped bytes, with every id of the customer', async () => {
    simulator.saveCustomer({ phone: ana, name: 'Ana', username: 'ana.t' })
    const { id } = simulator.customerWrites(ana, { text: 'Buenos días / 👋' })
    await receiver.until(() => receiver.deliveries.length === 1)
    const [delivery] = receiver.deliveries
    expect(delivery?.signed).toBe(true)
    expect(delivery?.raw).toContain(String.raw`Buenos d\u00edas \/ \ud83d\udc4b`)
    expect(delivery?.body.entry[0]?.id).toBe(waba)
    expect(receiver.changes()[0]).toMatchObject({
      field: 'messages',
      value: {
        metadata: { display_phone_number: '15550001111', phone_number_id: number },
        contacts: [{ profile: { name: 'Ana', username: 'ana.t' }, wa_id: ana, user_id: expect.stringMatching(/^CO\./) }],
        messages: [{ id, from: ana, type: 'text', text: { body: 'Buenos días / 👋' }, timestamp: expect.stringMatching(/^\d{10}$/) }],
      },
    })
  })

  it('from a hidden phone comes without the phone, not with an empty one', async () => {
    simulator.saveCustomer({ phone: ana, hidden: true })
    simulator.customerWrites(ana, { text: 'Hola' })
    await receiver.until(() => receiver.deliveries.length === 1)
    const value = receiver.changes()[0]?.value
    expect(value?.contacts?.[0]).not.toHaveProperty('wa_id')
    expect(value?.messages?.[0]).not.toHaveProperty('from')
    expect(value?.messages?.[0]).toHaveProperty('from_user_id')
    expect(receiver.deliveries[0]?.raw).not.toContain(ana)
  })

  it('a picture that the business can then download with its token, for a while', async () => {
    const data = Buffer.from('not really a picture')
    await control('POST', `customers/${ana}/messages`, {
      type: 'image',
      image: { data_base64: data.toString('base64'), mime_type: 'image/png', caption: 'mira' },
    })
    await receiver.until(() => receiver.deliveries.length === 1)
    const image = receiver.changes()[0]?.value.messages?.[0]?.['image'] as { id: string; url: string; caption: string; data_base64?: string }
    expect(image).toMatchObject({ caption: 'mira', mime_type: 'image/png' })
    expect(image.data_base64).toBeUndefined()
    const { json } = await graph('GET', image.id)
    const download = await fetch(String(json['url']), { headers: { authorization: `Bearer ${token}` } })
    expect(Buffer.from(await download.arrayBuffer())).toEqual(data)
    expect((await fetch(String(json['url']))).status).toBe(401)
    const late = String(json['url']).replace(/ext=\d+/, 'ext=1000')
    expect((await fetch(late, { headers: { authorization: `Bearer ${token}` } })).status).toBe(404)
  })
})

describe('the business answers', () => {
  beforeEach(async () => {
    simulator.customerWrites(ana, { text: 'Hola' })
    await receiver.until(() => receiver.deliveries.length === 1)
  })

  it('and hears sent, delivered and read, with its callback data, contacts and prices', async () => {
    const sent = await sendText({ biz_opaque_callback_data: 'row-42' })
    expect(sent).toMatchObject({ status: 200, json: { messaging_product: 'whatsapp', contacts: [{ input: `+${ana}`, wa_id: ana }] } })
    await receiver.until(() => receiver.statuses().includes('read'))
    expect(receiver.statuses()).toEqual(['sent', 'delivered', 'read'])
    const values = receiver
      .changes()
      .slice(1)
      .map((change) => change.value)
    for (const value of values) {
      expect(value.statuses?.[0]).toMatchObject({
        id: idOf(sent),
        biz_opaque_callback_data: 'row-42',
        recipient_id: ana,
        recipient_user_id: expect.stringMatching(/^CO\./),
      })
      expect(value.contacts).toHaveLength(1)
    }
    expect(values.map((value) => 'pricing' in (value.statuses?.[0] ?? {}))).toEqual([true, true, false])
  })

  it('to the business-scoped user id of a hidden phone, and never learns the phone', async () => {
    const customer = simulator.saveCustomer({ phone: ana, hidden: true })
    const sent = await graph('POST', `${number}/messages`, {
      messaging_product: 'whatsapp',
      recipient: customer.bsuid,
      type: 'text',
      text: { body: 'Hola' },
    })
    expect(sent.json['contacts']).toEqual([{ input: customer.bsuid, user_id: customer.bsuid }])
    await receiver.until(() => receiver.statuses().includes('read'))
    expect(
      receiver
        .changes()
        .slice(1)
        .every((change) => !('recipient_id' in (change.value.statuses?.[0] ?? {}))),
    ).toBe(true)
  })

  it('knows a Brazilian phone by its shorter wa_id', async () => {
    simulator.saveCustomer({ phone: '5511987654321', wa_id: '551187654321' })
    simulator.customerWrites('5511987654321', { text: 'Oi' })
    const sent = await sendText({ to: '+5511987654321' })
    expect(sent.json['contacts']).toEqual([{ input: '+5511987654321', wa_id: '551187654321' }])
  })

  it('marks the message read, which the phone shows, and only one it received', async () => {
    const { id } = simulator.customerWrites(ana, { text: 'Otra' })
    const read = { messaging_product: 'whatsapp', status: 'read', typing_indicator: { type: 'text' } }
    expect((await graph('POST', `${number}/messages`, { ...read, message_id: id })).json).toEqual({ success: true })
    const chat = await control('GET', `customers/${ana}/chat`)
    expect((chat['messages'] as { status: string }[]).map((message) => message.status)).toEqual(['read', 'read'])
    expect((await graph('POST', `${number}/messages`, { ...read, message_id: 'wamid.unknown' })).json.error?.code).toBe(100)
  })

  it('waits for the person when the phone is in somebody’s hand', async () => {
    simulator.saveCustomer({ phone: ana, auto_read: false })
    await sendText()
    await receiver.until(() => receiver.statuses().includes('delivered'))
    expect(await control('POST', `customers/${ana}/read`, { phone_number_id: number })).toEqual({ read: 1 })
    await receiver.until(() => receiver.statuses().includes('read'))
    simulator.saveCustomer({ phone: ana, read_receipts: false })
    await sendText()
    await receiver.until(() => receiver.statuses().length === 5)
    expect(await control('POST', `customers/${ana}/read`, { phone_number_id: number })).toEqual({ read: 0 })
  })
})

describe('Meta refuses', () => {
  beforeEach(() => void simulator.customerWrites(ana, { text: 'Hola' }))

  it('a token it does not know, in its own error shape', async () => {
    const { status, json } = await graph('POST', `${number}/messages`, text(), 'wrong')
    expect(status).toBe(401)
    expect(json).toEqual({
      error: { message: expect.stringContaining('Invalid OAuth access token'), type: 'OAuthException', code: 190, fbtrace_id: expect.any(String) },
    })
  })
  it('a token of another account', async () => {
    simulator.addToken({ token: 'other-token', waba_ids: ['300000000000003'] })
    expect(await graph('GET', number, undefined, 'other-token')).toMatchObject({ status: 403, json: { error: { code: 200 } } })
  })
  it.each<[number, string, Record<string, unknown>]>([
    [100, 'no messaging_product', { messaging_product: undefined }],
    [100, 'no recipient', { to: undefined }],
    [131009, 'a recipient that is no phone', { to: 'ana' }],
    [131021, 'itself as recipient', { to: '+15550001111' }],
    [100, 'callback data of 513 characters', { biz_opaque_callback_data: 'x'.repeat(513) }],
    [131041, 'a group', { recipient_type: 'group', to: 'group' }],
    [131009, 'an unknown business-scoped user id', { to: undefined, recipient: 'CO.1' }],
    [132001, 'an unknown template', { type: 'template', template: { name: 'nope', language: { code: 'en' } } }],
  ])('%i: %s', async (code, _what, more) => {
    const { json } = await sendText(more)
    expect(json.error).toMatchObject({ code })
    expect(json.error?.message).toContain(`#${code}`)
  })
  it('what comes faster than the number may send', async () => {
    simulator.setSwitches({ pair_limit: false, throughput_per_second: 5 })
    const answers = await Promise.all(Array.from({ length: 40 }, () => sendText()))
    const refused = answers.filter((answer) => answer.status === 400)
    expect(refused.length).toBeGreaterThan(0)
    expect(refused.length).toBeLessThanOrEqual(36)
    expect(new Set(refused.map((answer) => answer.json.error?.code))).toEqual(new Set([130429]))
  })
  it('the forty-sixth message to one customer, while others go through', async () => {
    simulator.setSwitches({ throughput_per_second: 0 })
    const answers = []
    for (let at = 0; at < 46; at++) answers.push(await sendText())
    expect(answers.slice(0, 45).every((answer) => answer.status === 200)).toBe(true)
    expect(answers[45]?.json.error?.code).toBe(131056)
    expect((await sendText({ to: '+573005550102' })).status).toBe(200)
  })
  it('a recipient who is not on the list of a test number', async () => {
    simulator.addNumber({
      waba_id: waba,
      phone_number_id: '200000000000009',
      display_phone_number: '+1 555 000 9999',
      allow_list: ['+57 300 555 0102'],
    })
    expect((await graph('POST', '200000000000009/messages', text())).json.error?.code).toBe(131030)
  })
  it('outside the window, by a failed status, unless it is a template', async () => {
    const cold = await sendText({ to: '+573005550109' })
    expect(cold.status).toBe(200)
    await receiver.until(() => receiver.statuses().includes('failed'))
    const value = receiver.changes().at(-1)?.value
    expect(value?.statuses?.[0]).toMatchObject({
      id: idOf(cold),
      status: 'failed',
      errors: [{ code: 131047, error_data: { details: expect.any(String) } }],
    })
    expect(value).not.toHaveProperty('contacts')
    const template = { type: 'template', template: { name: 'hello_world', language: { code: 'en_US' } } }
    const warm = await sendText({ to: '+573005550109', ...template })
    expect(warm.json['messages']).toEqual([{ id: expect.any(String), message_status: 'accepted' }])
    simulator.setSwitches({ window: 'response' })
    expect((await sendText({ to: '+573005550109' })).json.error?.code).toBe(131047)
  })
  it('a number that is not on WhatsApp, by a failed status', async () => {
    simulator.setSwitches({ auto_customers: false })
    await sendText({ to: '+573005550111' })
    await receiver.until(() =>
      receiver.changes().some((change) => (change.value.statuses?.[0]?.['errors'] as { code: number }[] | undefined)?.[0]?.code === 131026),
    )
  })
  it('what does not exist, in the shapes of Graph', async () => {
    expect(await graph('GET', '999')).toMatchObject({ status: 400, json: { error: { code: 100, error_subcode: 33, type: 'GraphMethodException' } } })
    expect(await graph('GET', 'nonsense')).toMatchObject({ status: 404, json: { error: { code: 803 } } })
    expect((await graph('GET', `${number}/nonsense`)).json.error?.message).toContain('nonexisting field (nonsense)')
    expect((await graph('GET', `${number}?fields=colour`)).json.error?.message).toContain('nonexisting field (colour)')
  })
})

describe('things go wrong on request', () => {
  beforeEach(() => void simulator.customerWrites(ana, { text: 'Hola' }))

  it('the next sends fail with the code asked for, then all is well', async () => {
    await control('PATCH', 'switches', { fail_next: { code: 131016, count: 2 } })
    expect((await sendText()).json.error?.code).toBe(131016)
    expect((await sendText()).status).toBe(500)
    expect((await sendText()).status).toBe(200)
  })
  it('a send is accepted, its webhooks come, and the answer never does', async () => {
    simulator.setSwitches({ accept_then_timeout: 1 })
    const call = fetch(`${simulator.url}/v26.0/${number}/messages`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify(text({ biz_opaque_callback_data: 'lost' })),
      signal: AbortSignal.timeout(300),
    })
    await expect(call).rejects.toThrow()
    await receiver.until(() => receiver.statuses().includes('read'))
    expect(simulator.sentMessages().map((message) => message.callback_data)).toEqual(['lost'])
  })
  it('the same with a reset', async () => {
    simulator.setSwitches({ accept_then_reset: 1 })
    await expect(sendText({ biz_opaque_callback_data: 'reset' })).rejects.toThrow()
    expect(simulator.sentMessages()).toHaveLength(1)
  })
  it('a callback data sent twice is found out', async () => {
    for (let at = 0; at < 2; at++) await sendText({ biz_opaque_callback_data: 'twice' })
    await sendText({ biz_opaque_callback_data: 'once' })
    expect(await control('GET', 'messages/duplicates')).toEqual({ distinct: 2, data: [{ callback_data: 'twice', count: 2 }] })
    expect(await control('GET', 'messages?callback_data=twice')).toMatchObject({ count: 2 })
  })
  it('a status is swallowed', async () => {
    simulator.setSwitches({ drop_statuses: ['delivered'] })
    await sendText()
    await receiver.until(() => receiver.statuses().includes('read'))
    expect(receiver.statuses()).toEqual(['sent', 'read'])
  })
  it('webhooks wait while they are paused, and then come in batches', async () => {
    await receiver.until(() => receiver.deliveries.length === 1)
    await control('PATCH', 'switches', { webhooks_paused: true, batch_size: 1000 })
    for (let at = 0; at < 20; at++) simulator.customerWrites(ana, { text: `m${at}` })
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(receiver.deliveries).toHaveLength(1)
    await control('PATCH', 'switches', { webhooks_paused: false })
    await receiver.until(() => receiver.deliveries.length === 2)
    expect(receiver.deliveries[1]?.body.entry[0]?.changes).toHaveLength(20)
  })
  it('every webhook comes twice, byte for byte', async () => {
    await receiver.until(() => receiver.deliveries.length === 1)
    simulator.setSwitches({ duplicates: 1 })
    simulator.customerWrites(ana, { text: 'dos veces' })
    await receiver.until(() => receiver.deliveries.length === 3)
    expect(receiver.deliveries[2]?.raw).toBe(receiver.deliveries[1]?.raw)
  })
  it('updates overtake each other', async () => {
    await receiver.until(() => receiver.deliveries.length === 1)
    simulator.setSwitches({ shuffle: 0.5, shuffle_ms: 60 })
    const ids = Array.from({ length: 40 }, (_, at) => simulator.customerWrites(ana, { text: `m${at}` }).id)
    await receiver.until(() => receiver.deliveries.length === 41)
    const came = receiver
      .changes()
      .slice(1)
      .map((change) => change.value.messages?.[0]?.['id'])
    expect(came).not.toEqual(ids)
    expect(new Set(came)).toEqual(new Set(ids))
  })
  it('a webhook that is not answered with 200 is sent again until it is', async () => {
    await receiver.until(() => receiver.deliveries.length === 1)
    receiver.answers.push(503, 500, 201, 302)
    const { id } = simulator.customerWrites(ana, { text: 'insisto' })
    await receiver.until(() => receiver.deliveries.length === 2)
    expect(receiver.changes().at(-1)?.value.messages?.[0]?.['id']).toBe(id)
    await receiver.until(() => simulator.stats().pending === 0)
    expect(simulator.stats()).toMatchObject({ failed: 4, dropped: 0 })
  })
})

describe('management', () => {
  it('uploads, shows, sends and deletes media', async () => {
    simulator.customerWrites(ana, { text: 'Hola' })
    const form = new FormData()
    form.set('messaging_product', 'whatsapp')
    form.set('type', 'image/png')
    form.set('file', new Blob(['png'], { type: 'image/png' }), 'a.png')
    const { json } = await graph('POST', `${number}/media`, form)
    const id = String(json['id'])
    expect((await graph('GET', id)).json).toMatchObject({ mime_type: 'image/png', file_size: 3, id, messaging_product: 'whatsapp' })
    expect((await sendText({ type: 'image', image: { id } })).status).toBe(200)
    expect((await graph('DELETE', id)).json).toEqual({ success: true })
    expect((await sendText({ type: 'image', image: { id } })).json.error?.code).toBe(100)
    form.set('file', new Blob(['exe'], { type: 'application/x-msdownload' }), 'a.exe')
    expect((await graph('POST', `${number}/media`, form)).json.error?.message).toContain('one of the following types')
  })
  it('reviews a template, tells the app, and then takes messages made from it', async () => {
    const components = [{ type: 'BODY', text: 'Hola {{1}}', example: { body_text: [['Ana']] } }]
    const made = await graph('POST', `${waba}/message_templates`, { name: 'saludo', language: 'es_CO', category: 'MARKETING', components })
    expect(made.json).toMatchObject({ status: 'PENDING', category: 'MARKETING' })
    await receiver.until(() => receiver.changes().some((change) => change.field === 'message_template_status_update'))
    expect(receiver.changes()[0]?.value).toMatchObject({
      event: 'APPROVED',
      message_template_id: Number(made.json['id']),
      message_template_name: 'saludo',
      message_template_language: 'es-CO',
    })
    const listed = await graph('GET', `${waba}/message_templates?status=APPROVED&limit=1`)
    expect(listed.json['paging']).toHaveProperty('next')
    const template = { name: 'saludo', language: { code: 'es_CO' }, components: [{ type: 'body', parameters: [{ type: 'text', text: 'Ana' }] }] }
    expect((await sendText({ type: 'template', template })).status).toBe(200)
    await control('POST', `templates/${String(made.json['id'])}/status`, { status: 'PAUSED' })
    expect((await sendText({ type: 'template', template })).json.error?.code).toBe(132015)
    expect((await graph('DELETE', `${waba}/message_templates?name=saludo`)).json).toEqual({ success: true })
    expect((await sendText({ type: 'template', template })).json.error?.code).toBe(132001)
  })
  it('reads the number, its account and its profile, and registers', async () => {
    expect((await graph('GET', `${number}?fields=display_phone_number,throughput,quality_rating`)).json).toEqual({
      id: number,
      display_phone_number: '+1 555-000-1111',
      throughput: { level: 'STANDARD' },
      quality_rating: 'GREEN',
    })
    expect((await graph('GET', `${waba}/phone_numbers`)).json['data']).toMatchObject([{ id: number, verified_name: 'Tienda' }])
    await graph('POST', `${number}/whatsapp_business_profile`, { messaging_product: 'whatsapp', about: 'Abierto', websites: ['https://example.org'] })
    expect((await graph('GET', `${number}/whatsapp_business_profile?fields=about,websites`)).json).toEqual({
      data: [{ about: 'Abierto', websites: ['https://example.org'], messaging_product: 'whatsapp' }],
    })
    await graph('POST', `${number}/deregister`)
    expect((await sendText()).json.error?.code).toBe(133010)
    expect((await graph('POST', `${number}/register`, { messaging_product: 'whatsapp', pin: '123456' })).json).toEqual({ success: true })
    expect((await graph('POST', `${number}/register`, { messaging_product: 'whatsapp', pin: '654321' })).json.error?.code).toBe(133005)
  })
  it('sends the webhooks of an account to the address it was overridden with, once that answered the challenge', async () => {
    const other = await startReceiver('app-secret', 'other-token')
    try {
      const wrong = await graph('POST', `${waba}/subscribed_apps`, { override_callback_uri: other.url, verify_token: 'wrong' })
      expect(wrong.json.error?.code).toBe(2200)
      await graph('POST', `${waba}/subscribed_apps`, { override_callback_uri: other.url, verify_token: 'other-token' })
      simulator.customerWrites(ana, { text: 'Hola' })
      await other.until(() => other.deliveries.length === 1)
      expect(other.deliveries[0]?.signed).toBe(true)
      await graph('POST', `${waba}/subscribed_apps`)
      simulator.customerWrites(ana, { text: 'Hola' })
      await receiver.until(() => receiver.deliveries.length === 1)
      await graph('DELETE', `${waba}/subscribed_apps`)
      simulator.customerWrites(ana, { text: 'a nadie' })
      expect(simulator.stats().pending).toBe(0)
    } finally {
      await other.close()
    }
  })
  it('refuses a webhook address that does not know the verify token', async () => {
    expect(await control('PUT', 'webhook', { url: receiver.url, verify_token: 'wrong' })).toEqual({ error: 'The callback URL answered HTTP 403.' })
  })
})

describe('the simulated phone', () => {
  it('is a page with relative links', async () => {
    const page = await (await fetch(`${simulator.url}/?embed=1`)).text()
    for (const [, link] of page.matchAll(/(?:src|href)="([^"]+)"/g)) {
      expect(link).toMatch(/^\.\//)
      expect((await fetch(`${simulator.url}/${link ?? ''}`)).status).toBe(200)
    }
  })
  it('works under a path of another server, media links included', async () => {
    const server = createServer((req, res) => simulator.handle(req, res, (req.url ?? '').replace(/^\/simulator/, '').split('?')[0] ?? ''))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/simulator`
    try {
      const bare = await fetch(`${base}?embed=1`, { redirect: 'manual' })
      expect(bare.headers.get('location')).toBe('/simulator/?embed=1')
      expect((await fetch(`${base}/phone.js`)).status).toBe(200)
      const written = await fetch(`${base}/_sim/customers/${ana}/messages`, {
        method: 'POST',
        body: JSON.stringify({ type: 'image', image: { data_base64: 'AAAA', mime_type: 'image/png' } }),
      })
      const { object } = (await written.json()) as { object: { url: string } }
      expect(object.url.startsWith(`${base}/whatsapp_business/attachments/`)).toBe(true)
      expect((await fetch(object.url, { headers: { authorization: `Bearer ${token}` } })).status).toBe(200)
    } finally {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  })
  it('hears of messages, statuses, typing and reading as they happen', async () => {
    const { id } = simulator.customerWrites(ana, { text: 'Hola' })
    const abort = new AbortController()
    const stream = await fetch(`${simulator.url}/_sim/events?customer=${ana}&phone_number_id=${number}`, { signal: abort.signal })
    const seen: string[] = []
    const reading = (async () => {
      const decoder = new TextDecoder()
      for await (const chunk of stream.body ?? []) {
        for (const [, data] of decoder.decode(chunk as Uint8Array).matchAll(/^data: (.*)$/gm))
          seen.push((JSON.parse(data ?? '{}') as { type: string }).type)
      }
    })().catch(() => {})
    simulator.customerWrites('573005550199', { text: 'de otra persona' })
    await graph('POST', `${number}/messages`, { messaging_product: 'whatsapp', status: 'read', message_id: id, typing_indicator: { type: 'text' } })
    await sendText()
    await receiver.until(() => seen.filter((type) => type === 'status').length === 3)
    abort.abort()
    await reading
    expect(seen).toEqual(['business_read', 'typing', 'message', 'status', 'status', 'status'])
  })
})

describe('the state', () => {
  it('is forgotten on request, but accounts, numbers and tokens stay', async () => {
    simulator.customerWrites(ana, { text: 'Hola' })
    await sendText()
    await control('DELETE', 'state')
    expect(await control('GET', 'messages')).toEqual({ count: 0, data: [] })
    expect((await graph('GET', number)).status).toBe(200)
  })
  it('takes a wrong switch for a mistake', async () => {
    expect((await control('PATCH', 'switches', { duplicate: 1 })).error).toContain('duplicate')
    expect((await control('PATCH', 'switches', { duplicates: 2 })).error).toContain('duplicates')
  })
})
