import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startSimulator, type Simulator } from '../../simulator/simulator.ts'
import { freshDatabase } from '../support/database.ts'
import { startRecado, type RunningRecado } from '../support/processes.ts'

/** Templates from the request to Meta's review and back: the started program against the simulator, with its signed webhooks. */
type Json = Record<string, unknown>
type Reply = { readonly status: number; readonly json: Json; readonly headers: Headers }

const appSecret = 'templates-app-secret'
const operatorKey = 'operator-key-of-the-tests'
const wabaId = '200200200200200'
const phoneNumberId = '100200300400500'

let database: Awaited<ReturnType<typeof freshDatabase>>
let simulator: Simulator
let recado: RunningRecado
let ana: Organisation
let bea: Organisation

type Organisation = {
  readonly channelId: string
  readonly call: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Reply>
  /** The id of a file. */
  readonly upload: (file: Blob) => Promise<unknown>
}

async function call(key: string, method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Reply> {
  const answer = await fetch(`${recado.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, json: (text === '' ? {} : JSON.parse(text)) as Json }
}

async function organisation(number: string): Promise<Organisation> {
  const slug = `templates-${randomUUID().slice(0, 8)}`
  const made = await call(operatorKey, 'POST', '/v1/tenants', { name: 'Casa', slug })
  const key = (made.json['api_key'] as { key: string }).key
  const channel = await call(key, 'POST', '/v1/channels', {
    kind: 'business',
    name: 'Ventas',
    phone_number_id: number,
    waba_id: wabaId,
    access_token: 'good-token',
    verify: false,
  })
  async function upload(file: Blob): Promise<unknown> {
    const body = new FormData()
    body.append('file', file, 'file')
    const answer = await fetch(`${recado.url}/v1/media`, { method: 'POST', headers: { authorization: `Bearer ${key}` }, body })
    return ((await answer.json()) as Json)['id']
  }
  return { channelId: String(channel.json['id']), call: (method, path, body, headers) => call(key, method, path, body, headers), upload }
}

beforeAll(async () => {
  database = await freshDatabase()
  simulator = await startSimulator({ appSecret, verifyToken: 'test', switches: { template_review_ms: 50, window: 'off' } })
  simulator.addWaba({ id: wabaId })
  simulator.addNumber({ waba_id: wabaId, phone_number_id: phoneNumberId })
  simulator.addNumber({ waba_id: wabaId, phone_number_id: '100200300400501' })
  simulator.addToken({ token: 'good-token' })
  recado = await startRecado({
    env: {
      DATABASE_URL: database.url,
      RECADO_DEMO: '0',
      RECADO_MASTER_KEY: Buffer.alloc(32, 9).toString('base64'),
      RECADO_OPERATOR_KEY: operatorKey,
      META_APP_SECRET: appSecret,
      META_VERIFY_TOKEN: 'test',
      META_GRAPH_URL: simulator.url,
      LOG_LEVEL: 'error',
    },
  })
  ana = await organisation(phoneNumberId)
  bea = await organisation('100200300400501')
  await simulator.setWebhook({ url: `${recado.url}/webhooks/meta` })
})
afterAll(async () => {
  await recado.stop()
  await simulator.close()
  await database.drop()
})

/** Asks until it fits; what it was at last is what a failing test shows. */
async function eventually(ask: () => Promise<unknown>, expected: object): Promise<void> {
  let found: unknown
  for (let tries = 0; tries < 200; tries++) {
    found = await ask()
    try {
      expect(found).toMatchObject(expected)
      return
    } catch {
      await sleep(50)
    }
  }
  expect(found).toMatchObject(expected)
}
const shown =
  (id: unknown, who = ana) =>
  async () =>
    (await who.call('GET', `/v1/templates/${String(id)}`)).json
const named =
  (name: string, who = ana) =>
  async () =>
    (await who.call('GET', `/v1/templates?name=${name}`)).json
/** Meta dates its news in whole seconds: the same news twice within one is one delivery, and a pause in the second of an approval comes to nothing. */
const nextSecond = () => sleep(1_050 - (Date.now() % 1_000))
const openAlerts = async () => (await ana.call('GET', '/v1/alerts')).json
const control = async (path: string, body: unknown): Promise<unknown> =>
  (
    await fetch(`${simulator.url}/_sim/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  ).json()
const tell = (field: string, value: Json) => control('webhooks', { waba_id: wabaId, field, value })

const reminder = (name: string, more: Json = {}): Json => ({
  channel_id: ana.channelId,
  name,
  language: 'es',
  category: 'UTILITY',
  components: [
    { type: 'body', text: 'Hola {{1}}, te esperamos el {{2}}.', example: { body_text: [['Ana', 'lunes']] } },
    { type: 'buttons', buttons: [{ type: 'quick_reply', text: 'Confirmo' }] },
  ],
  ...more,
})
const submit = async (name: string, more: Json = {}): Promise<string> => {
  const made = await ana.call('POST', '/v1/templates', reminder(name, more))
  expect(made).toMatchObject({ status: 201 })
  return String(made.json['id'])
}
const approved = async (name: string, more: Json = {}): Promise<string> => {
  const id = await submit(name, more)
  await eventually(shown(id), { status: 'APPROVED' })
  return id
}
const send = (name: string, ...values: string[]) =>
  ana.call('POST', '/v1/messages', {
    channel_id: ana.channelId,
    to: '+34600111222',
    type: 'template',
    template: {
      name,
      language: { code: 'es' },
      ...(values.length === 0 ? {} : { components: [{ type: 'body', parameters: values.map((text) => ({ type: 'text', text })) }] }),
    },
  })

describe('a template', () => {
  it('is submitted, waits for its review and is approved by a webhook; its other tenant hears of it, too, and reads it', async () => {
    const made = await ana.call('POST', '/v1/templates', reminder('visit_one'), { 'Idempotency-Key': 'one' })
    expect(made).toMatchObject({
      status: 201,
      json: { name: 'visit_one', language: 'es', waba_id: wabaId, channel_ids: [ana.channelId], components: [{ type: 'BODY' }, { type: 'BUTTONS' }] },
    })
    expect(made.json['provider_id']).toMatch(/^\d{16}$/)
    await eventually(shown(made.json['id']), { status: 'APPROVED' })
    await eventually(named('visit_one', bea), { data: [{ status: 'APPROVED', components: [{ type: 'BODY' }, { type: 'BUTTONS' }] }] })
  })
  it('that Meta rejects is shown with the reason, and an alert says so until it is approved', async () => {
    simulator.setSwitches({ template_review: 'reject' })
    const id = await submit('visit_bad')
    await eventually(shown(id), { status: 'REJECTED', reason: 'INVALID_FORMAT' })
    await eventually(openAlerts, { data: expect.arrayContaining([expect.objectContaining({ code: 'template_rejected', status: 'open' })]) })
    simulator.setSwitches({ template_review: 'approve' })
    await nextSecond()
    const edited = await ana.call('PATCH', `/v1/templates/${id}`, { components: [{ type: 'BODY', text: 'Hola' }] })
    expect(edited.status).toBe(200)
    await eventually(shown(id), { status: 'APPROVED', components: [{ type: 'BODY', text: 'Hola' }] })
    await eventually(
      async () =>
        ((await openAlerts())['data'] as Json[]).filter(({ code, status }) => code === 'template_rejected' && status === 'open').length === 0
          ? { over: true }
          : {},
      { over: true },
    )
  })
  it('is refused with the path of the mistake before Meta is asked', async () => {
    const refused = await ana.call('POST', '/v1/templates', reminder('visit_wrong', { components: [{ type: 'BODY', text: 'x'.repeat(1025) }] }))
    expect(refused).toMatchObject({ status: 422, json: { code: 'invalid_request', errors: [{ path: 'body.components.0.text' }] } })
    expect((await ana.call('POST', '/v1/templates', reminder('With Blanks'))).json).toMatchObject({ errors: [{ path: 'body.name' }] })
  })
  it('with a picture on top names a file of ours, and Meta gets the handle of it; edited, of the next one', async () => {
    const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')
    const files = await Promise.all(
      [
        [png, 'image/png'] as const,
        [Buffer.concat([png, Buffer.alloc(10)]), 'image/png'] as const,
        [Buffer.from('%PDF-1.4\n%%EOF\n'), 'application/pdf'] as const,
      ].map(async ([bytes, type]) => ana.upload(new Blob([bytes], { type }))),
    )
    const [first, second, pdf] = files.map(String)
    const withHeader = (mediaId: string | undefined) => [
      { type: 'header', format: 'image', example: { header_handle: [mediaId] } },
      { type: 'body', text: 'Tu visita de mañana' },
    ]
    const atMeta = async () => {
      const address = `${simulator.url}/v26.0/${wabaId}/message_templates?name=visit_picture&fields=components`
      const found = (await (await fetch(address, { headers: { authorization: 'Bearer good-token' } })).json()) as {
        data: { components: { example?: { header_handle: string[] } }[] }[]
      }
      return found.data[0]?.components[0]?.example?.header_handle[0]
    }
    const id = await submit('visit_picture', { components: withHeader(first) })
    const handle = await atMeta()
    expect(handle).toMatch(/^4::/)
    await eventually(shown(id), { status: 'APPROVED' })
    const edited = await ana.call('PATCH', `/v1/templates/${id}`, { components: withHeader(second) })
    expect(edited).toMatchObject({ status: 200 })
    expect(await atMeta()).toMatch(/^4::/)
    expect(await atMeta()).not.toBe(handle)

    for (const wrong of [pdf, randomUUID()]) {
      const refused = await ana.call('POST', '/v1/templates', reminder('visit_wrong_picture', { components: withHeader(wrong) }))
      expect(refused).toMatchObject({ status: 422, json: { errors: [{ path: 'body.components.0.example.header_handle', code: 'template_rule' }] } })
    }
  })
  it('exists once: the same again is the same, another wording under its name is refused', async () => {
    const id = await submit('visit_twice')
    expect((await ana.call('POST', '/v1/templates', reminder('visit_twice'))).json['id']).toBe(id)
    const other = await ana.call('POST', '/v1/templates', reminder('visit_twice', { components: [{ type: 'BODY', text: 'Otra cosa' }] }))
    expect(other).toMatchObject({ status: 409, json: { code: 'template_exists' } })
  })
  it('that exists at Meta only is refused as existing, and read', async () => {
    const refused = await ana.call('POST', '/v1/templates', reminder('hello_world', { language: 'en_US' }))
    expect(refused).toMatchObject({ status: 409, json: { code: 'template_exists' } })
    await eventually(named('hello_world'), { data: [{ status: 'APPROVED', language: 'en_US' }] })
  })
  it('is edited once a day while it is approved', async () => {
    const id = await approved('visit_edit')
    const edit = (text: string) => ana.call('PATCH', `/v1/templates/${id}`, { components: [{ type: 'BODY', text }] })
    await nextSecond()
    expect(await edit('Nuevo')).toMatchObject({ status: 200, json: { components: [{ text: 'Nuevo' }] } })
    await eventually(shown(id), { status: 'APPROVED' })
    expect(await edit('Otro')).toMatchObject({ status: 409, json: { code: 'template_edit_limit' } })
    expect((await ana.call('PATCH', `/v1/templates/${id}`, { category: 'MARKETING' })).json).toMatchObject({ code: 'template_not_editable' })
  })
  it('is deleted at Meta and here, in one language or in all of them', async () => {
    const id = await approved('visit_gone')
    const other = await approved('visit_gone', { language: 'en' })
    expect((await ana.call('DELETE', `/v1/templates/${id}`)).status).toBe(204)
    await eventually(async () => ({ status: (await ana.call('GET', `/v1/templates/${id}`)).status }), { status: 404 })
    expect((await shown(other)())['status']).toBe('APPROVED')
    expect((await ana.call('DELETE', `/v1/templates/${id}`)).status).toBe(404)
    expect((await ana.call('DELETE', `/v1/templates/${other}?all_languages=true`)).status).toBe(204)
    await eventually(named('visit_gone'), { data: [] })
    // Meta blocks the name of an approved template for thirty days.
    expect((await ana.call('POST', '/v1/templates', reminder('visit_gone'))).json).toMatchObject({
      code: 'template_refused',
      provider_error: { code: 100 },
    })
    await eventually(named('visit_gone'), { data: [{ status: 'FAILED', error: { code: 'provider_100' } }] })
  })
})

describe('news of templates', () => {
  const about = (name: string, more: Json) => ({
    message_template_id: 8_123_456_789_012_345,
    message_template_name: name,
    message_template_language: 'es',
    ...more,
  })
  it('pause and resume it, and raise and settle an alert', async () => {
    const id = await approved('visit_pause')
    const provider = String((await shown(id)())['provider_id'])
    await nextSecond()
    await control(`templates/${provider}`, { status: 'PAUSED' })
    await eventually(shown(id), { status: 'PAUSED' })
    await eventually(openAlerts, {
      data: expect.arrayContaining([expect.objectContaining({ code: 'template_paused', status: 'open', entity: { type: 'template', id } })]),
    })
    expect(await send('visit_pause', 'Ana', 'lunes')).toMatchObject({ status: 409, json: { code: 'template_not_approved' } })
    await nextSecond()
    await control(`templates/${provider}`, { status: 'APPROVED' })
    await eventually(shown(id), { status: 'APPROVED' })
    await eventually(
      async () => ({ open: ((await openAlerts())['data'] as Json[]).some(({ code, status }) => code === 'template_paused' && status === 'open') }),
      { open: false },
    )
  })
  it('change quality, category and words at once', async () => {
    const id = await approved('visit_news')
    const provider = Number((await shown(id)())['provider_id'])
    const its = (more: Json) => about('visit_news', { message_template_id: provider, ...more })
    await tell('message_template_quality_update', its({ previous_quality_score: 'GREEN', new_quality_score: 'YELLOW' }))
    await eventually(shown(id), { quality: 'YELLOW' })
    await tell('template_category_update', its({ correct_category: 'MARKETING', new_category: 'UTILITY', category_update_timestamp: 1_900_000_000 }))
    await eventually(shown(id), { category: 'UTILITY', upcoming_category: { category: 'MARKETING', from: '2030-03-17T17:46:40.000Z' } })
    await tell('template_category_update', its({ previous_category: 'UTILITY', new_category: 'MARKETING' }))
    await eventually(shown(id), { category: 'MARKETING' })
    expect((await shown(id)())['upcoming_category']).toBeUndefined()
    await eventually(openAlerts, { data: expect.arrayContaining([expect.objectContaining({ code: 'template_category' })]) })
    await tell('message_template_components_update', its({ message_template_element: 'Buenas {{1}}, hasta el {{2}}' }))
    await eventually(shown(id), { components: [{ text: 'Buenas {{1}}, hasta el {{2}}' }, { type: 'BUTTONS' }] })
  })
  it('of one that nobody here knows make it known, and it is read from Meta', async () => {
    await fetch(`${simulator.url}/v26.0/${wabaId}/message_templates`, {
      method: 'POST',
      headers: { authorization: 'Bearer good-token', 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'made_elsewhere', language: 'pt_BR', category: 'MARKETING', components: [{ type: 'BODY', text: 'Olá' }] }),
    })
    await eventually(named('made_elsewhere'), { data: [{ language: 'pt_BR', status: 'APPROVED', components: [{ type: 'BODY', text: 'Olá' }] }] })
  })
  it('of one that Meta does not list are shown all the same', async () => {
    await tell('message_template_status_update', about('only_told', { event: 'DISABLED', reason: null, message_template_category: 'UTILITY' }))
    await eventually(named('only_told'), { data: [{ status: 'DISABLED', category: 'UTILITY', components: null, provider_id: '8123456789012345' }] })
  })
})

describe('syncing', () => {
  it("takes over Meta's list, page after page, and tells what changed", async () => {
    const waba = (await bea.call('POST', '/v1/templates/sync')).json
    expect(waba).toMatchObject({ accounts: [{ waba_id: wabaId }] })
    expect((await bea.call('POST', '/v1/templates/sync', { channel_id: bea.channelId })).json).toMatchObject({
      accounts: [{ changed: 0, removed: 0 }],
    })
    expect((await bea.call('POST', '/v1/templates/sync', { channel_id: ana.channelId })).status).toBe(404)
    await eventually(named('hello_world', bea), { data: [{ name: 'hello_world', channel_ids: [bea.channelId] }] })
  })
  it('says what a person can do when the token is not accepted', async () => {
    simulator.revokeToken('good-token')
    const refused = await bea.call('POST', '/v1/templates/sync')
    simulator.addToken({ token: 'good-token' })
    expect(refused).toMatchObject({ status: 422, json: { code: 'credentials_refused', provider_error: { code: 190 } } })
  })
})

describe('sending a template', () => {
  it('is accepted when its values fit, and delivered', async () => {
    await approved('visit_send')
    const sent = await send('visit_send', 'Ana', 'lunes')
    expect(sent.status).toBe(202)
    await eventually(async () => (await ana.call('GET', `/v1/messages/${String(sent.json['id'])}`)).json, {
      direction: 'outbound',
      provider_id: expect.any(String),
    })
  })
  it('is refused at once, with the path, when they do not', async () => {
    const short = await send('visit_send', 'Ana')
    expect(short).toMatchObject({ status: 422, json: { code: 'template_parameters', errors: [{ path: 'body.template.components.0.parameters' }] } })
  })
  it('reads one that is not known here from Meta, and refuses one that Meta does not have either', async () => {
    simulator.setSwitches({ webhooks_paused: true })
    await fetch(`${simulator.url}/v26.0/${wabaId}/message_templates`, {
      method: 'POST',
      headers: { authorization: 'Bearer good-token', 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'never_synced', language: 'es', category: 'UTILITY', components: [{ type: 'BODY', text: 'Hola' }] }),
    })
    await sleep(200)
    const surplus = await send('never_synced', 'Ana')
    const fits = await send('never_synced')
    const unknown = await send('no_such_template')
    simulator.setSwitches({ webhooks_paused: false })
    expect(surplus).toMatchObject({ status: 422, json: { code: 'template_parameters' } })
    expect(fits.status).toBe(202)
    expect(unknown).toMatchObject({ status: 422, json: { code: 'template_not_found' } })
  })
})

describe('the preview', () => {
  it('shows the message filled in, and says what is missing', async () => {
    const id = await approved('visit_look')
    const preview = (body: unknown) => ana.call('POST', `/v1/templates/${id}/preview`, body)
    expect((await preview({ parameters: ['Ana', 'lunes'] })).json).toMatchObject({
      body: 'Hola Ana, te esperamos el lunes.',
      buttons: [{ type: 'QUICK_REPLY', text: 'Confirmo' }],
      sendable: true,
      mistakes: [],
    })
    expect((await preview({ parameters: { 1: 'Ana' } })).json).toMatchObject({ body: 'Hola Ana, te esperamos el {{2}}.', sendable: false })
    expect((await preview({})).json).toMatchObject({ body: 'Hola {{1}}, te esperamos el {{2}}.', mistakes: [{ path: 'components' }] })
  })
})

describe('the default set', () => {
  it('is listed in three languages, and one of it is adopted in all of them', async () => {
    const { json } = await ana.call('GET', '/v1/templates/defaults')
    const all = json['data'] as { name: string; languages: { language: string }[] }[]
    expect(all.length).toBeGreaterThan(3)
    expect(all[0]?.languages.map(({ language }) => language)).toEqual(['es', 'pt_BR', 'en'])
    const adopted = await ana.call('POST', '/v1/templates/defaults/visit_reminder/adopt', { channel_id: ana.channelId })
    expect(adopted.json).toMatchObject({
      data: [
        { language: 'es', template: {} },
        { language: 'pt_BR', template: {} },
        { language: 'en', template: {} },
      ],
    })
    await eventually(named('visit_reminder'), { data: [{ status: 'APPROVED' }, { status: 'APPROVED' }, { status: 'APPROVED' }] })
    expect((await ana.call('POST', '/v1/templates/defaults/no_such/adopt', { channel_id: ana.channelId })).status).toBe(404)
  })
})

describe('the list', () => {
  it('is filtered, paged, and a tenant of its own', async () => {
    expect(
      ((await ana.call('GET', '/v1/templates?status=approved&language=pt_BR')).json['data'] as Json[]).every(
        ({ language, status }) => language === 'pt_BR' && status === 'APPROVED',
      ),
    ).toBe(true)
    const first = (await ana.call('GET', `/v1/templates?limit=1&channel=${ana.channelId}`)).json
    const second = (await ana.call('GET', `/v1/templates?limit=1&cursor=${String(first['next_cursor'])}`)).json
    expect((second['data'] as Json[])[0]?.['id']).not.toBe((first['data'] as Json[])[0]?.['id'])
    expect((await ana.call('GET', `/v1/templates?channel=${bea.channelId}`)).json).toEqual({ data: [], next_cursor: null })
    const id = String((first['data'] as Json[])[0]?.['id'])
    expect((await bea.call('GET', `/v1/templates/${id}`)).status).toBe(404)
  })
})
