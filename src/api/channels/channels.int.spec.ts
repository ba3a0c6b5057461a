import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { operatorKey, startOffice, type Office, type Reply } from '../../../tests/support/office.ts'

let office: Office
let numbers = 5550000
const good = 'EAAG-good-token'
const newer = 'EAAG-newer-token'
beforeAll(async () => {
  office = await startOffice()
})
afterAll(() => office.stop())
beforeEach(() => {
  office.provider.state.away = false
  office.provider.state.challenge = true
  office.provider.state.tokens = new Set([good, newer])
  office.provider.state.asked.length = 0
})

const number = (more: object = {}) => ({
  kind: 'business',
  name: 'Sales',
  phone_number_id: String(++numbers),
  waba_id: '2060',
  access_token: good,
  ...more,
})
const connect = async (key: string, more: object = {}): Promise<Reply> => office.call(key, 'POST', '/v1/channels', number(more))
const readAfter = (reply: Reply) => ({ 'x-read-after': reply.headers.get('x-position') ?? '' })
const asked = () => office.provider.state.asked.map(({ what }) => what)

describe('connecting a number', () => {
  it('asks the provider about it and for webhooks, and says what it learnt', async () => {
    const { key } = await office.tenant()
    const made = await connect(key)
    expect(made.status).toBe(201)
    expect(made.json).toMatchObject({
      kind: 'business',
      name: 'Sales',
      status: 'connected',
      phone: '+15550100000',
      quality_rating: 'GREEN',
      webhook_path: '/webhooks/meta',
      version: 2,
    })
    expect(asked()).toEqual(['describeNumber', 'subscribeApp'])
    const read = await office.call(key, 'GET', made.headers.get('location') ?? '', undefined, readAfter(made))
    expect(read.json).toEqual(made.json)
    expect(read.headers.get('etag')).toBe('"2"')
  })

  it('is found by kind and status', async () => {
    const { key } = await office.tenant()
    const made = await connect(key)
    const found = async (query: string) =>
      (await office.call(key, 'GET', `/v1/channels?${query}`, undefined, readAfter(made))).list.map(({ id }) => id)
    expect(await found('kind=business&status=connected')).toEqual([made.said('id')])
    expect(await found('kind=lite')).toEqual([])
    expect(await found('status=disconnected')).toEqual([])
    expect((await office.call(key, 'GET', '/api/whatsapp/config?api_type=business_api')).said('channel_id')).toBe(made.said('id'))
    expect((await office.call(key, 'GET', '/api/whatsapp/config?api_type=whatsapp_web')).status).toBe(404)
  })

  it('never gives the credentials out again, nor keeps them in plain text', async () => {
    const { key } = await office.tenant()
    const made = await connect(key, { app_secret: 'app-secret-1234' })
    const list = await office.call(key, 'GET', '/v1/channels', undefined, readAfter(made))
    const { rows } = await office.pools.worker.query<{ data: string }>('select data::text as data from es.events')
    for (const text of [made.text, list.text, rows.map(({ data }) => data).join('\n'), office.logLines.join('\n')]) {
      expect(text).not.toContain(good)
      expect(text).not.toContain('app-secret-1234')
    }
  })

  it('explains to a person why the provider refuses, and leaves nothing behind', async () => {
    const { key } = await office.tenant()
    const body = number({ access_token: 'EAAG-mistyped' })
    const refused = await office.call(key, 'POST', '/v1/channels', body)
    expect(refused.json).toMatchObject({ status: 422, code: 'credentials_refused', provider_error: { code: 190 } })
    expect(refused.said('detail')).toContain('Create a new access token')
    expect((await office.call(key, 'POST', '/v1/channels', { ...body, access_token: good })).status).toBe(201)
  })

  it('can be tried again when the provider was away, or done without asking it', async () => {
    const { key } = await office.tenant()
    office.provider.state.away = true
    const away = await connect(key)
    expect(away.json).toMatchObject({ status: 503, code: 'provider_unreachable', retryable: true, retry_after: 5 })
    expect(away.headers.get('retry-after')).toBe('5')
    expect((await connect(key, { verify: false })).json).toMatchObject({ status: 'connected', phone: null })
  })

  it('is refused while another channel of the installation holds it, and possible once that is removed', async () => {
    const [a, b] = await Promise.all([office.tenant(), office.tenant()])
    const body = number()
    const first = await office.call(a.key, 'POST', '/v1/channels', body)
    for (const { key } of [a, b])
      expect((await office.call(key, 'POST', '/v1/channels', body)).json).toMatchObject({ status: 409, code: 'number_taken' })
    await office.call(a.key, 'POST', `/v1/channels/${first.said('id')}/disconnect`)
    expect((await office.call(b.key, 'POST', '/v1/channels', body)).said('code')).toBe('number_taken')
    expect((await office.call(a.key, 'DELETE', `/v1/channels/${first.said('id')}`)).status).toBe(204)
    expect((await office.call(b.key, 'POST', '/v1/channels', body)).status).toBe(201)
    expect(office.here.directory.channelOfNumber(body.phone_number_id)?.tenantId).toBe(b.id)
  })

  it('that many ask for at once gives it to one', async () => {
    const tenants = await Promise.all([office.tenant(), office.tenant(), office.tenant()])
    const body = number()
    const all = await Promise.all(tenants.map(({ key }) => office.call(key, 'POST', '/v1/channels', body)))
    expect(all.map(({ status }) => status).sort((a, b) => a - b)).toEqual([201, 409, 409])
  })

  it('of the lite kind is clearly not there yet', async () => {
    const { key } = await office.tenant()
    const lite = await office.call(key, 'POST', '/v1/channels', { kind: 'lite', name: 'My phone' })
    expect(lite.json).toMatchObject({ status: 422, code: 'lite_unavailable' })
  })

  it.each([
    [{ phone_number_id: '+1 555' }, 'body.phone_number_id'],
    [{ access_token: 'two words here' }, 'body.access_token'],
    [{ name: 'line\u0000break' }, 'body.name'],
    [{ name: '' }, 'body.name'],
    [{ pin: '1' }, 'body.pin'],
  ])('says what is wrong with %j', async (wrong, path) => {
    const { key } = await office.tenant()
    const refused = await connect(key, wrong)
    expect(refused.json).toMatchObject({ status: 422, code: 'invalid_request', errors: [{ path }] })
    expect(asked()).toEqual([])
  })
})

describe('a channel', () => {
  it('gets new credentials only when the provider accepts them', async () => {
    const { key, id } = await office.tenant()
    const made = await connect(key)
    const path = `/v1/channels/${made.said('id')}`
    expect((await office.call(key, 'PATCH', path, { access_token: 'EAAG-mistyped' })).said('code')).toBe('credentials_refused')
    expect(await office.here.directory.accountOf(id, made.said('id'))).toMatchObject({ accessToken: good })
    const changed = await office.call(key, 'PATCH', path, { access_token: newer, name: 'Ventas' }, { 'if-match': '"2"' })
    expect(changed.json).toMatchObject({ name: 'Ventas', status: 'connected', version: 4 })
    expect(await office.here.directory.accountOf(id, made.said('id'))).toMatchObject({ accessToken: newer, wabaId: '2060' })
    expect((await office.call(key, 'PATCH', path, { name: 'Late' }, { 'if-match': '"2"' })).status).toBe(412)
  })

  it('is degraded when a test finds its token refused, and whole again after a good test', async () => {
    const { key } = await office.tenant()
    const path = `/v1/channels/${(await connect(key)).said('id')}`
    office.provider.state.tokens.delete(good)
    const bad = await office.call(key, 'POST', `${path}/test`)
    expect(bad.json).toMatchObject({
      ok: false,
      channel: { status: 'degraded', last_error: { code: 'credentials_refused' } },
      error: { code: 'credentials_refused' },
    })
    expect((await office.call(key, 'POST', `${path}/connect`)).json).toMatchObject({ status: 422, code: 'credentials_refused' })
    office.provider.state.tokens.add(good)
    const whole = await office.call(key, 'POST', `${path}/test`)
    expect(whole.json).toMatchObject({ ok: true, channel: { status: 'connected' } })
    expect(whole.text).not.toContain('last_error')
  })

  it('is not harmed by a test while the provider is away', async () => {
    const { key } = await office.tenant()
    const made = await connect(key)
    office.provider.state.away = true
    expect((await office.call(key, 'POST', `/v1/channels/${made.said('id')}/test`)).json).toMatchObject({ status: 503, code: 'provider_unreachable' })
    expect((await office.call(key, 'GET', `/v1/channels/${made.said('id')}`, undefined, readAfter(made))).json).toMatchObject({ status: 'connected' })
  })

  it('that was disconnected stays off through tests, until it is connected', async () => {
    const { key } = await office.tenant()
    const path = `/v1/channels/${(await connect(key)).said('id')}`
    expect((await office.call(key, 'POST', `${path}/disconnect`, { reason: 'moving' })).json).toMatchObject({ status: 'disconnected' })
    expect((await office.call(key, 'POST', `${path}/test`)).json).toMatchObject({ ok: true, channel: { status: 'disconnected' } })
    expect((await office.call(key, 'POST', `${path}/connect`)).json).toMatchObject({ status: 'connected' })
  })

  it('that was removed is gone, and removing it again is no mistake', async () => {
    const { key } = await office.tenant()
    const path = `/v1/channels/${(await connect(key)).said('id')}`
    const removed = await office.call(key, 'DELETE', path)
    expect((await office.call(key, 'GET', path, undefined, readAfter(removed))).status).toBe(404)
    expect((await office.call(key, 'PATCH', path, { name: 'x' })).said('code')).toBe('channel_removed')
    expect((await office.call(key, 'DELETE', path)).status).toBe(204)
  })

  it('of one tenant is nothing to another, by whatever route', async () => {
    const [a, b] = await Promise.all([office.tenant(), office.tenant()])
    const made = await connect(a.key)
    const path = `/v1/channels/${made.said('id')}`
    const tries: [string, string, unknown?][] = [
      ['GET', path],
      ['PATCH', path, { name: 'Mine' }],
      ['PATCH', path, { access_token: newer }],
      ['POST', `${path}/test`],
      ['POST', `${path}/connect`],
      ['POST', `${path}/disconnect`],
      ['DELETE', path],
    ]
    for (const [method, address, body] of tries) {
      const reply = await office.call(b.key, method, address, body, readAfter(made))
      expect([method, address, reply.status]).toEqual([method, address, 404])
    }
    expect((await office.call(b.key, 'GET', '/v1/channels', undefined, readAfter(made))).list).toEqual([])
    expect((await office.call(b.key, 'GET', '/api/whatsapp/config', undefined, readAfter(made))).status).toBe(404)
    expect((await office.call(a.key, 'GET', path)).json).toMatchObject({ name: 'Sales', status: 'connected' })
  })
})

describe('a channel with a Meta app of its own', () => {
  it('has a webhook address nobody can guess, whose secrets overlap for a day when they change', async () => {
    const { key, id } = await office.tenant()
    const made = await connect(key, { app_secret: 'app-secret-1' })
    const hook = /^\/webhooks\/meta\/([0-9a-f]{32})$/.exec(made.said('webhook_path'))?.[1] ?? ''
    const { directory } = office.here
    expect(await directory.appOfHook(hook)).toEqual({ tenantId: id, channelId: made.said('id'), secrets: ['app-secret-1'] })
    await office.call(key, 'PATCH', `/v1/channels/${made.said('id')}`, { app_secret: 'app-secret-2' })
    expect((await directory.appOfHook(hook))?.secrets).toEqual(['app-secret-2', 'app-secret-1'])
    expect(await directory.appOfHook('0'.repeat(32))).toBeUndefined()
    await office.call(key, 'DELETE', `/v1/channels/${made.said('id')}`)
    expect(await directory.appOfHook(hook)).toBeUndefined()
  })
})

describe('the webhooks of a channel with an app of its own', () => {
  const told = () => office.provider.state.asked.flatMap(({ what, more }) => (what === 'subscribeApp' ? [more] : []))
  it('are asked for at its own address, as soon as it has one', async () => {
    const { key } = await office.tenant()
    const made = await connect(key, { app_secret: 'app-secret-1' })
    const address = { url: `https://recado.example${made.said('webhook_path')}`, verifyToken: expect.stringMatching(/^[0-9a-f]{32}$/) }
    expect(told()).toEqual([undefined, address])
    await office.call(key, 'POST', `/v1/channels/${made.said('id')}/connect`)
    expect(told()).toEqual([undefined, address, address])
    const later = await connect(key)
    office.provider.state.asked.length = 0
    await office.call(key, 'PATCH', `/v1/channels/${later.said('id')}`, { app_secret: 'app-secret-2' })
    expect(told()).toMatchObject([{ url: expect.stringMatching(/^https:\/\/recado\.example\/webhooks\/meta\/[0-9a-f]{32}$/) }])
  })
  it('that Meta cannot reach leave the channel connected and are shown on it', async () => {
    const { key } = await office.tenant()
    office.provider.state.challenge = false
    const made = await connect(key, { app_secret: 'app-secret-1' })
    expect(made.json).toMatchObject({
      status: 'connected',
      last_error: { code: 'webhook_unverified', detail: expect.stringContaining('PUBLIC_URL') },
    })
    office.provider.state.challenge = true
    const again = await office.call(key, 'POST', `/v1/channels/${made.said('id')}/connect`)
    expect(again.status).toBe(200)
    expect(again.text).not.toContain('last_error')
  })
})

describe('the business profile', () => {
  it('is read and changed at the provider, and the change is on record', async () => {
    const { key } = await office.tenant()
    const path = `/v1/channels/${(await connect(key)).said('id')}`
    expect((await office.call(key, 'GET', `${path}/profile`)).json).toEqual({ about: 'Open from 9' })
    const change = { about: 'Open from 8', websites: ['https://casa.example'], vertical: 'RETAIL', email: '' }
    const changed = await office.call(key, 'PUT', `${path}/profile`, change)
    expect(changed.json).toEqual(change)
    expect((await office.call(key, 'GET', path, undefined, readAfter(changed))).json).toMatchObject({ version: 3 })
  })
  it.each([
    [{ about: '' }, 'body.about'],
    [{ about: 'x'.repeat(140) }, 'body.about'],
    [{ address: 'x'.repeat(257) }, 'body.address'],
    [{ description: 'x'.repeat(513) }, 'body.description'],
    [{ email: 'nobody' }, 'body.email'],
    [{ websites: ['casa.example'] }, 'body.websites.0'],
    [{ websites: ['https://a.example', 'https://b.example', 'https://c.example'] }, 'body.websites'],
    [{ vertical: 'PIRACY' }, 'body.vertical'],
    [{}, 'body'],
  ])('says what is wrong with %j', async (wrong, path) => {
    const { key } = await office.tenant()
    const channelPath = `/v1/channels/${(await connect(key)).said('id')}`
    const refused = await office.call(key, 'PUT', `${channelPath}/profile`, wrong)
    expect(refused.json).toMatchObject({ status: 422, code: 'invalid_request', errors: [{ path }] })
    expect(asked()).not.toContain('writeProfile')
  })
  it('that the provider refuses is refused in its words', async () => {
    const { key } = await office.tenant()
    const path = `/v1/channels/${(await connect(key)).said('id')}/profile`
    expect((await office.call(key, 'PUT', path, { about: 'refuse me' })).json).toMatchObject({ status: 422, code: 'provider_rejected' })
    office.provider.state.tokens.clear()
    expect((await office.call(key, 'GET', path)).json).toMatchObject({ status: 422, code: 'credentials_refused' })
    office.provider.state.away = true
    expect((await office.call(key, 'GET', path)).json).toMatchObject({ status: 503, code: 'provider_unreachable' })
  })
  it('of another tenant is not there', async () => {
    const [a, b] = await Promise.all([office.tenant(), office.tenant()])
    const path = `/v1/channels/${(await connect(a.key)).said('id')}/profile`
    expect((await office.call(b.key, 'GET', path)).status).toBe(404)
    expect((await office.call(b.key, 'PUT', path, { about: 'Mine' })).status).toBe(404)
  })
})

describe('the configuration endpoints of the plan', () => {
  const config = (more: object = {}) => ({ api_type: 'business_api', phone_number_id: String(++numbers), waba_id: '1', access_token: good, ...more })
  it('configure a number, show it without secrets, and change it', async () => {
    const { key } = await office.tenant()
    expect((await office.call(key, 'GET', '/api/whatsapp/config')).status).toBe(404)
    const made = await office.call(key, 'POST', '/api/whatsapp/config', config({ app_secret: 'app-secret-9' }))
    expect(made.status).toBe(201)
    expect(made.json).toMatchObject({ api_type: 'business_api', status: 'connected', name: 'WhatsApp' })
    expect(made.said('webhook_url')).toMatch(/^https:\/\/recado\.example\/webhooks\/meta\/[0-9a-f]{32}$/)
    expect(made.said('webhook_verify_token')).toMatch(/^[0-9a-f]{32}$/)
    const read = await office.call(key, 'GET', '/api/whatsapp/config', undefined, readAfter(made))
    expect(read.json).toEqual(made.json)
    expect(read.text).not.toContain('app-secret-9')
    const put = await office.call(key, 'PUT', '/api/whatsapp/config', { api_type: 'business_api', access_token: newer, name: 'Main' })
    expect(put.json).toMatchObject({ channel_id: made.said('channel_id'), name: 'Main' })
  })
  it('put a number that is new there, and ask which one when there are several', async () => {
    const { key } = await office.tenant()
    expect((await office.call(key, 'PUT', '/api/whatsapp/config', config())).status).toBe(201)
    const second = config()
    expect((await office.call(key, 'PUT', '/api/whatsapp/config', second)).status).toBe(201)
    const which = await office.call(key, 'PUT', '/api/whatsapp/config', { api_type: 'business_api', name: 'Which?' })
    expect(which.json).toMatchObject({ status: 409, code: 'config_ambiguous' })
    const named = await office.call(key, 'PUT', '/api/whatsapp/config', {
      api_type: 'business_api',
      phone_number_id: second.phone_number_id,
      name: 'This',
    })
    expect(named.json).toMatchObject({ name: 'This', phone_number_id: second.phone_number_id })
    const other = await office.call(key, 'PUT', '/api/whatsapp/config', { ...second, waba_id: '99' })
    expect(other.json).toMatchObject({ status: 422, errors: [{ path: 'body.waba_id', code: 'immutable' }] })
  })
  it('need everything for the first number', async () => {
    const { key } = await office.tenant()
    const bare = await office.call(key, 'PUT', '/api/whatsapp/config', { api_type: 'business_api', name: 'Bare' })
    expect(bare.json).toMatchObject({ status: 422, code: 'invalid_request' })
    expect((await office.call(key, 'POST', '/api/whatsapp/config', { api_type: 'whatsapp_web' })).said('code')).toBe('lite_unavailable')
  })
})

describe('a removal that died half-way', () => {
  it('gives the number to whoever asks next', async () => {
    const [a, b] = await Promise.all([office.tenant(), office.tenant()])
    const body = number()
    const { createAddChannel } = await import('../../commands/channels/add-channel.ts')
    const { onChannel } = await import('../../commands/channels/on-channel.ts')
    const commandId = randomUUID()
    const context = {
      tenantId: a.id,
      actor: { kind: 'process' as const, id: 'test' },
      commandId,
      correlationId: commandId,
      causationId: commandId,
      at: new Date(Date.now() - 60_000),
    }
    const wish = { name: 'Sales', phoneNumberId: body.phone_number_id, wabaId: '1', accessToken: good, verify: false }
    const added = await createAddChannel(office.here)(wish, context)
    if (!('position' in added)) throw new Error('refused')
    // What removeChannel does first; the release of the claim never came.
    await onChannel(office.here, added.channelId, { type: 'remove' }, { ...context, commandId: randomUUID() })
    expect((await office.call(b.key, 'POST', '/v1/channels', body)).status).toBe(201)
    expect((await office.call(operatorKey, 'GET', '/v1/channels', undefined, { 'x-tenant': a.slug })).list).toEqual([])
  })
})
