import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDesk, type Desk } from '../../../tests/support/desk.ts'

let desk: Desk
beforeAll(async () => {
  desk = await startDesk()
})
afterAll(() => desk.stop())

const after = (position: string) => ({ 'x-read-after': position })

describe('a message of a customer', () => {
  it('makes a conversation with its unread count, the preview and who wrote', async () => {
    const ana = await desk.tenant()
    const { conversationId, position } = await desk.customerWrites(ana, '34600111222', 'Hola, ¿sigue libre el piso?')
    const { json, headers } = await desk.call(ana.key, 'GET', '/v1/conversations', undefined, after(position))
    expect(headers.get('x-stale')).toBeNull()
    expect(json).toMatchObject({
      data: [
        {
          id: conversationId,
          channel_id: ana.channelId,
          channel_kind: 'business',
          status: 'open',
          unread_count: 1,
          contact: { name: 'Ana', phone: '+34600111222', wa_id: '34600111222' },
          last_message: { direction: 'inbound', type: 'text', preview: 'Hola, ¿sigue libre el piso?', status: 'received' },
        },
      ],
      next_cursor: null,
    })
  })

  it('stands in the thread and alone, with what it says', async () => {
    const tenant = await desk.tenant()
    const { conversationId, messageId, position } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const thread = await desk.call(tenant.key, 'GET', `/v1/conversations/${conversationId}/messages`, undefined, after(position))
    expect(thread.json).toMatchObject({ data: [{ id: messageId, direction: 'inbound', status: 'received', content: { text: { body: 'Hola' } } }] })
    const alone = await desk.call(tenant.key, 'GET', `/v1/messages/${messageId}`)
    expect(alone.json).toEqual((thread.json as { data?: unknown[] }).data?.[0])
    expect(alone.headers.get('etag')).toMatch(/^"\d+"$/)
  })
})

describe('answering', () => {
  it('queues the message at once and shows it in the thread, with each status it reaches', async () => {
    const tenant = await desk.tenant()
    const { conversationId } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const sent = await desk.call(tenant.key, 'POST', `/v1/conversations/${conversationId}/messages`, { text: 'Buenos días' })
    expect(sent).toMatchObject({ status: 202, json: { conversation_id: conversationId, status: 'queued' } })
    const id = String(sent.json['id'])
    await desk.provider(tenant.tenantId, conversationId, { type: 'recordAttempt', messageId: id, attempt: 1 })
    await desk.provider(tenant.tenantId, conversationId, { type: 'recordAccepted', messageId: id, attempt: 1, providerId: 'wamid.OUT' })
    const report = { type: 'recordStatus' as const, providerId: 'wamid.OUT', at: new Date().toISOString() }
    await desk.provider(tenant.tenantId, conversationId, { ...report, status: 'read' })
    const last = await desk.provider(tenant.tenantId, conversationId, { ...report, status: 'delivered' })
    const { json } = await desk.call(tenant.key, 'GET', `/v1/messages/${id}`, undefined, after('position' in last ? last.position : ''))
    expect(json).toMatchObject({
      status: 'read',
      provider_id: 'wamid.OUT',
      content: { text: { body: 'Buenos días' } },
      sent_by: { kind: 'api', id: 'test' },
    })
    expect((json['status_history'] as { status: string }[]).map(({ status }) => status).sort()).toEqual([
      'delivered',
      'queued',
      'read',
      'sending',
      'sent',
    ])
  })

  it('with the same Idempotency-Key is the same message', async () => {
    const tenant = await desk.tenant()
    const { conversationId } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const key = { 'idempotency-key': randomUUID() }
    const path = `/v1/conversations/${conversationId}/messages`
    const [one, two] = [
      await desk.call(tenant.key, 'POST', path, { text: 'Sí' }, key),
      await desk.call(tenant.key, 'POST', path, { text: 'Sí' }, key),
    ]
    expect(two.json['id']).toBe(one.json['id'])
    expect(two.headers.get('idempotent-replay')).toBe('true')
    const position = String(one.headers.get('x-position'))
    const { json } = await desk.call(tenant.key, 'GET', path, undefined, after(position))
    expect(json['data']).toHaveLength(2)
  })

  it('with the key of a request whose answer was lost is still the same message', async () => {
    const tenant = await desk.tenant()
    const { conversationId } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const key = { 'idempotency-key': randomUUID() }
    const path = `/v1/conversations/${conversationId}/messages`
    const one = await desk.call(tenant.key, 'POST', path, { text: 'Sí' }, key)
    // The process died after the append and before the answer was kept.
    await desk.pools.owner.query('delete from api.idempotency where key is not null')
    const two = await desk.call(tenant.key, 'POST', path, { text: 'Sí' }, key)
    expect(two.headers.get('idempotent-replay')).toBeNull()
    expect(two.json['id']).toBe(one.json['id'])
    const { json } = await desk.call(tenant.key, 'GET', path, undefined, after(String(two.headers.get('x-position'))))
    expect(json['data']).toHaveLength(2)
  })

  it('says which message it answers, named by our id or by that of Meta', async () => {
    const tenant = await desk.tenant()
    const { conversationId, messageId, providerId, position } = await desk.customerWrites(tenant, '34600111222', '¿A o B?')
    await desk.applied.waitFor(['messages'], position, 40_000)
    const path = `/v1/conversations/${conversationId}/messages`
    const byOurs = await desk.call(tenant.key, 'POST', path, { text: 'A', context: { message_id: messageId } })
    const byTheirs = await desk.call(tenant.key, 'POST', path, { type: 'text', text: { body: 'B' }, context: { message_id: providerId } })
    for (const sent of [byOurs, byTheirs]) {
      const { json } = await desk.call(
        tenant.key,
        'GET',
        `/v1/messages/${String(sent.json['id'])}`,
        undefined,
        after(String(sent.headers.get('x-position'))),
      )
      expect(json['reply_to']).toEqual({ id: messageId, provider_id: providerId })
    }
    for (const nothing of ['nothing', 'wamid.\u0000', '\u0000']) {
      const unknown = await desk.call(tenant.key, 'POST', path, { text: 'C', context: { message_id: nothing } })
      expect(unknown).toMatchObject({ status: 422, json: { errors: [{ path: 'body.context.message_id' }] } })
    }
  })

  it('answers a message whose provider id does not look like one of Meta', async () => {
    const tenant = await desk.tenant()
    const first = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const path = `/v1/conversations/${first.conversationId}/messages`
    const ours = await desk.call(tenant.key, 'POST', path, { text: 'Hola' })
    const messageId = String(ours.json['id'])
    await desk.provider(tenant.tenantId, first.conversationId, { type: 'recordAttempt', messageId, attempt: 1 })
    const accepted = await desk.provider(tenant.tenantId, first.conversationId, {
      type: 'recordAccepted',
      messageId,
      attempt: 1,
      providerId: `gBEGkYiEB1VX ${messageId}`,
    })
    if (!('position' in accepted)) throw new Error('it is accepted')
    await desk.applied.waitFor(['messages'], accepted.position, 40_000)
    const answer = await desk.call(tenant.key, 'POST', path, { text: '¿Sigue ahí?', context: { message_id: `gBEGkYiEB1VX ${messageId}` } })
    expect(answer.status).toBe(202)
  })

  it("takes Meta's whole body in a conversation, and refuses what no text can hold", async () => {
    const tenant = await desk.tenant()
    const { conversationId } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const body = { messaging_product: 'whatsapp', recipient_type: 'individual', to: '34600111222', biz_opaque_callback_data: 'x', type: 'text' }
    const path = `/v1/conversations/${conversationId}/messages`
    expect((await desk.call(tenant.key, 'POST', path, { ...body, text: { body: 'Hola' } })).status).toBe(202)
    const broken = await desk.call(tenant.key, 'POST', '/v1/messages', { channel_id: '\u0000', to: '34600111222', text: 'Hola' })
    expect(broken).toMatchObject({ status: 422, json: { errors: [{ path: 'body.channel_id' }] } })
  })

  it('goes to the person of the conversation, and is refused when another one is named', async () => {
    const tenant = await desk.tenant()
    const { conversationId } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    await desk.customerWrites(tenant, '34600111333', 'Hola')
    const send = async (address: object) =>
      desk.call(tenant.key, 'POST', `/v1/conversations/${conversationId}/messages`, { ...address, type: 'text', text: { body: 'Hola' } })
    for (const address of [{ to: '34600111222' }, { to: '+34 600 111 222' }, {}])
      expect([address, (await send(address)).status]).toEqual([address, 202])
    for (const address of [{ to: '34600111333' }, { to: '34600999999' }, { to: '34600111222', recipient: 'US.99' }, { recipient: 'US.99' }]) {
      expect([address, await send(address)]).toMatchObject([address, { status: 422, json: { code: 'recipient_mismatch' } }])
    }
    expect(await send({ to: 'Ana' })).toMatchObject({ status: 422, json: { errors: [{ path: 'body.to' }] } })
  })

  it('is refused outside the 24-hour window', async () => {
    const tenant = await desk.tenant()
    const refused = await desk.call(tenant.key, 'POST', '/v1/messages', { channel_id: tenant.channelId, to: '+34 600 333 444', text: 'Hola' })
    expect(refused).toMatchObject({ status: 409, json: { code: 'window_closed' } })
    const template = { type: 'template', template: { name: 'hola', language: { code: 'es' } } }
    const allowed = await desk.call(tenant.key, 'POST', '/v1/messages', { channel_id: tenant.channelId, to: '+34 600 333 444', ...template })
    expect(allowed.status).toBe(202)
    const { json } = await desk.call(
      tenant.key,
      'GET',
      `/v1/conversations/${String(allowed.json['conversation_id'])}`,
      undefined,
      after(String(allowed.headers.get('x-position'))),
    )
    expect(json).toMatchObject({ contact: { phone: '+34600333444' }, last_message: { preview: '📋 hola', status: 'queued' } })
  })

  it.each([
    [{ text: '' }, 'body.text.body'],
    [{ type: 'text', text: { body: 'x'.repeat(4097) } }, 'body.text.body'],
    [{ type: 'image', image: { link: 'javascript:alert(1)' } }, 'body.image.link'],
    [{ type: 'text', text: { body: 'x' }, from: '34600' }, 'body.from'],
    [{ type: 'hologram' }, 'body.type'],
    [[], 'body'],
  ])('with a body that is wrong says where: %j', async (body, path) => {
    const tenant = await desk.tenant()
    const { conversationId } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const answer = await desk.call(tenant.key, 'POST', `/v1/conversations/${conversationId}/messages`, body)
    expect(answer).toMatchObject({ status: 422, json: { code: 'invalid_request' } })
    expect((answer.json['errors'] as { path: string }[]).map((error) => error.path)).toContain(path)
  })

  it('may be tried again when it failed, and not while it is on its way', async () => {
    const tenant = await desk.tenant()
    const { conversationId } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const sent = await desk.call(tenant.key, 'POST', `/v1/conversations/${conversationId}/messages`, { text: 'Sí' })
    const id = String(sent.json['id'])
    await desk.provider(tenant.tenantId, conversationId, { type: 'recordAttempt', messageId: id, attempt: 1 })
    await desk.applied.waitFor(['messages'], sent.headers.get('x-position') as never, 40_000)
    expect(await desk.call(tenant.key, 'POST', `/v1/messages/${id}/retry`)).toMatchObject({ status: 409, json: { code: 'message_not_retryable' } })
    const error = { code: 'undeliverable', title: 'Not deliverable', retryable: false }
    await desk.provider(tenant.tenantId, conversationId, { type: 'recordFailed', messageId: id, attempt: 1, error, at: new Date().toISOString() })
    const again = await desk.call(tenant.key, 'POST', `/v1/messages/${id}/retry`)
    expect(again).toMatchObject({ status: 202, json: { id, status: 'queued' } })
    const { json } = await desk.call(tenant.key, 'GET', `/v1/messages/${id}`, undefined, after(String(again.headers.get('x-position'))))
    expect(json['status']).toBe('queued')
  })
})

describe('what people do with a conversation', () => {
  it('marks it read up to a message, then wholly', async () => {
    const tenant = await desk.tenant()
    const first = await desk.customerWrites(tenant, '34600111222', 'uno')
    await desk.customerWrites(tenant, '34600111222', 'dos')
    const path = `/v1/conversations/${first.conversationId}`
    const unread = async (position: string | null) =>
      (await desk.call(tenant.key, 'GET', path, undefined, after(String(position)))).json['unread_count']
    const upTo = await desk.call(tenant.key, 'POST', `${path}/read`, { message_id: first.messageId })
    expect(await unread(upTo.headers.get('x-position'))).toBe(1)
    const wholly = await desk.call(tenant.key, 'POST', `${path}/read`)
    expect(await unread(wholly.headers.get('x-position'))).toBe(0)
  })

  it('resolves, reopens and snoozes it, and the lists follow', async () => {
    const tenant = await desk.tenant()
    const { conversationId } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const path = `/v1/conversations/${conversationId}`
    const resolved = await desk.call(tenant.key, 'POST', `${path}/status`, { status: 'resolved' })
    const list = await desk.call(tenant.key, 'GET', '/v1/conversations?status=resolved', undefined, after(String(resolved.headers.get('x-position'))))
    expect(list.json).toMatchObject({ data: [{ id: conversationId, status: 'resolved' }] })
    expect((await desk.call(tenant.key, 'GET', '/v1/conversations?status=open')).json).toMatchObject({ data: [] })
    expect(await desk.call(tenant.key, 'POST', `${path}/snooze`, { until: '2999-01-01T00:00:00Z' })).toMatchObject({
      json: { code: 'conversation_resolved' },
    })
    await desk.call(tenant.key, 'POST', `${path}/status`, { status: 'open' })
    expect(await desk.call(tenant.key, 'POST', `${path}/snooze`, { until: '2001-01-01T00:00:00Z' })).toMatchObject({
      json: { code: 'snooze_in_the_past' },
    })
    const snoozed = await desk.call(tenant.key, 'POST', `${path}/snooze`, { until: '2999-01-01T00:00:00+02:00' })
    const { json } = await desk.call(tenant.key, 'GET', path, undefined, after(String(snoozed.headers.get('x-position'))))
    expect(json).toMatchObject({ status: 'snoozed', snoozed_until: '2998-12-31T22:00:00.000Z' })
  })

  it('refuses a change that is based on an older version', async () => {
    const tenant = await desk.tenant()
    const { conversationId, position } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const path = `/v1/conversations/${conversationId}`
    const seen = (await desk.call(tenant.key, 'GET', path, undefined, after(position))).headers.get('etag')
    await desk.customerWrites(tenant, '34600111222', '¿Oiga?')
    expect(await desk.call(tenant.key, 'POST', `${path}/status`, { status: 'resolved' }, { 'if-match': String(seen) })).toMatchObject({ status: 412 })
  })
})

describe('lists and threads', () => {
  it('are walked page by page without a gap or a repeat', async () => {
    const tenant = await desk.tenant()
    let position = ''
    for (let n = 0; n < 7; n++) ({ position } = await desk.customerWrites(tenant, `3460000000${n}`, `Hola ${n}`))
    await desk.applied.waitFor(['conversations'], position as never, 40_000)
    const seen: string[] = []
    for (let cursor = ''; ;) {
      const { json } = await desk.call(tenant.key, 'GET', `/v1/conversations?limit=3${cursor}`)
      seen.push(...(json['data'] as { last_message: { preview: string } }[]).map((one) => one.last_message.preview))
      if (json['next_cursor'] === null) break
      cursor = `&cursor=${json['next_cursor'] as string}`
    }
    expect(seen).toEqual([6, 5, 4, 3, 2, 1, 0].map((n) => `Hola ${n}`))
    expect((await desk.call(tenant.key, 'GET', '/v1/conversations?cursor=nonsense')).status).toBe(422)
  })

  it('of messages go back with before and forward with after', async () => {
    const tenant = await desk.tenant()
    const written = []
    for (let n = 0; n < 5; n++) written.push(await desk.customerWrites(tenant, '34600111222', String(n)))
    await desk.applied.waitFor(['messages', 'conversations'], written[4]?.position as never, 40_000)
    const path = `/v1/conversations/${written[0]?.conversationId}/messages`
    const words = async (query: string) =>
      ((await desk.call(tenant.key, 'GET', `${path}?${query}`)).json['data'] as { content: { text: { body: string } } }[]).map(
        (one) => one.content.text.body,
      )
    expect(await words('limit=2')).toEqual(['4', '3'])
    expect(await words(`limit=2&before=${written[3]?.messageId}`)).toEqual(['2', '1'])
    expect(await words(`limit=2&after=${written[1]?.messageId}`)).toEqual(['3', '2'])
    expect((await desk.call(tenant.key, 'GET', `${path}?before=${randomUUID()}`)).status).toBe(422)
    expect((await desk.call(tenant.key, 'GET', `${path}?cursor=${randomUUID()}`)).status).toBe(422)
  })

  it.each([
    ['back', '', ['4', '3', '2', '1', '0']],
    ['forward', 'after', ['2', '1', '4', '3']],
  ])('of messages are walked %s with next_cursor as cursor, as every other list', async (_way, end, expected) => {
    const tenant = await desk.tenant()
    const written = []
    for (let n = 0; n < 5; n++) written.push(await desk.customerWrites(tenant, '34600111222', String(n)))
    await desk.applied.waitFor(['messages', 'conversations'], written[4]?.position as never, 40_000)
    const path = `/v1/conversations/${written[0]?.conversationId}/messages?limit=2${end === '' ? '' : `&after=${written[0]?.messageId}`}`
    const seen: string[] = []
    for (let cursor = ''; ;) {
      const { json } = await desk.call(tenant.key, 'GET', `${path}${cursor}`)
      seen.push(...(json['data'] as { content: { text: { body: string } } }[]).map((one) => one.content.text.body))
      if (json['next_cursor'] === null || seen.length > 5) break
      cursor = `&cursor=${json['next_cursor'] as string}`
    }
    expect(seen).toEqual(expected)
  })

  it('refuse what cannot be asked yet instead of answering something else', async () => {
    const tenant = await desk.tenant()
    const { position } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    await desk.applied.waitFor(['messages', 'conversations'], position, 40_000)
    expect(await desk.call(tenant.key, 'GET', '/v1/conversations?q=Hola')).toMatchObject({
      status: 422,
      json: { code: 'invalid_request', errors: [{ path: 'query.q', code: 'not_supported' }] },
    })
    for (const filter of ['assignee=me', 'team=x', 'label=vip']) {
      expect((await desk.call(tenant.key, 'GET', `/v1/conversations?${filter}`)).json).toEqual({ data: [], next_cursor: null })
    }
    expect((await desk.call(tenant.key, 'GET', '/v1/conversations?assignee=&team=')).json['data']).toHaveLength(1)
    expect((await desk.call(tenant.key, 'GET', '/v1/events?reveal=false')).status).toBe(200)
  })

  it('can be narrowed to unread ones and to a channel', async () => {
    const tenant = await desk.tenant()
    const read = await desk.customerWrites(tenant, '34600000001', 'uno')
    const unread = await desk.customerWrites(tenant, '34600000002', 'dos')
    const { headers } = await desk.call(tenant.key, 'POST', `/v1/conversations/${read.conversationId}/read`)
    const ids = async (query: string) =>
      (
        (await desk.call(tenant.key, 'GET', `/v1/conversations?${query}`, undefined, after(String(headers.get('x-position'))))).json['data'] as {
          id: string
        }[]
      ).map(({ id }) => id)
    expect(await ids('unread=true')).toEqual([unread.conversationId])
    expect(await ids(`channel=${tenant.channelId}`)).toHaveLength(2)
    expect(await ids(`channel=${randomUUID()}`)).toEqual([])
    expect(await ids('updated_since=2999-01-01T00:00:00Z')).toEqual([])
  })
})

describe('the timeline and the log', () => {
  it('tell what happened in sentences, the words only for who may read messages', async () => {
    const tenant = await desk.tenant()
    const { conversationId } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    await desk.call(tenant.key, 'POST', `/v1/conversations/${conversationId}/read`)
    const path = `/v1/conversations/${conversationId}/timeline`
    const { json } = await desk.call(tenant.key, 'GET', path)
    expect(json).toMatchObject({
      data: [
        { type: 'ConversationStarted', version: 1, summary: 'The customer started the conversation' },
        { type: 'MessageReceived', version: 2, data: { content: { text: { body: 'Hola' } } } },
        {
          type: 'ConversationRead',
          version: 3,
          summary: 'The API key test read the conversation with the customer',
          actor: { kind: 'api', id: 'test' },
        },
      ],
      next_cursor: null,
    })
    expect((await desk.call(tenant.key, 'GET', `${path}?limit=1&cursor=1`)).json).toMatchObject({ data: [{ version: 2 }], next_cursor: '2' })
    expect((await desk.call(tenant.key, 'GET', `${path}?cursor=3000000000`)).status).toBe(422)
    desk.scopesOf.set(tenant.tenantId, ['conversations:read'])
    const narrow = await desk.call(tenant.key, 'GET', path)
    expect(narrow.text).not.toContain('Hola')
    expect(narrow.json).toMatchObject({ data: [{}, { data: { content: { sealed: expect.any(String) as string } } }, {}] })
  })

  it('are searched by stream, type and correlation, in pages', async () => {
    const tenant = await desk.tenant()
    const { conversationId } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const requestId = `req-${randomUUID()}`
    await desk.call(tenant.key, 'POST', `/v1/conversations/${conversationId}/read`, undefined, { 'x-request-id': requestId })
    const types = async (query: string) =>
      ((await desk.call(tenant.key, 'GET', `/v1/events?${query}`)).json['data'] as { type: string }[]).map(({ type }) => type)
    expect(await types(`stream=conversation-${conversationId}`)).toEqual(['ConversationStarted', 'MessageReceived', 'ConversationRead'])
    expect(await types('type=ContactCreated,ConversationRead')).toEqual(['ContactCreated', 'ConversationRead'])
    expect(await types(`correlation_id=${requestId}`)).toEqual(['ConversationRead'])
    const seen: string[] = []
    for (let cursor = ''; ;) {
      const { json, text } = await desk.call(tenant.key, 'GET', `/v1/events?limit=2${cursor}`)
      expect(text).not.toContain('Hola')
      seen.push(...(json['data'] as { id: string }[]).map(({ id }) => id))
      if (json['next_cursor'] === null) break
      cursor = `&after=${json['next_cursor'] as string}`
    }
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen).toHaveLength((await types('limit=200')).length)
    const added = await desk.call(tenant.key, 'GET', '/v1/events?type=ChannelAdded')
    expect(added.json).toMatchObject({ data: [{ data: { name: 'Ventas', access_token: null } }] })
    expect((await desk.call(tenant.key, 'GET', '/v1/events?type=%01&stream=conversation-%01&after=99999999999999999999')).status).toBe(200)
  })
})

describe('another tenant', () => {
  it('with a customer of the same phone sees nothing of this one, on no route', async () => {
    const [mine, theirs] = [await desk.tenant(), await desk.tenant()]
    const here = await desk.customerWrites(mine, '34600111222', 'para ti')
    const there = await desk.customerWrites(theirs, '34600111222', 'para ellos')
    await desk.applied.waitFor(['conversations', 'messages', 'contacts'], there.position, 40_000)
    expect(here.conversationId).not.toBe(there.conversationId)
    expect(here.contactId).not.toBe(there.contactId)
    for (const path of [
      `/v1/conversations/${here.conversationId}`,
      `/v1/conversations/${here.conversationId}/messages`,
      `/v1/conversations/${here.conversationId}/timeline`,
      `/v1/messages/${here.messageId}`,
      `/v1/contacts/${here.contactId}`,
    ]) {
      expect({ path, status: (await desk.call(theirs.key, 'GET', path)).status }).toEqual({ path, status: 404 })
      expect({ path, status: (await desk.call(mine.key, 'GET', path)).status }).toEqual({ path, status: 200 })
    }
    for (const [path, body] of [
      [`/v1/conversations/${here.conversationId}/messages`, { text: 'x' }],
      [`/v1/conversations/${here.conversationId}/read`, {}],
      [`/v1/conversations/${here.conversationId}/status`, { status: 'resolved' }],
      [`/v1/conversations/${here.conversationId}/snooze`, { until: '2999-01-01T00:00:00Z' }],
      [`/v1/messages/${here.messageId}/retry`, {}],
      ['/v1/messages', { channel_id: mine.channelId, to: '34600111222', text: 'x' }],
    ] as const) {
      expect({ path, status: (await desk.call(theirs.key, 'POST', path, body)).status }).toEqual({ path, status: 404 })
    }
    for (const path of ['/v1/conversations', '/v1/contacts', '/v1/events', `/v1/events?stream=conversation-${here.conversationId}`]) {
      const { text } = await desk.call(theirs.key, 'GET', path)
      for (const id of [here.conversationId, here.messageId, here.contactId, 'para ti']) expect(text).not.toContain(id)
    }
  })
})

describe('the page and the descriptions', () => {
  it('are served without a key', async () => {
    const page = await desk.call(undefined, 'GET', '/')
    expect(page).toMatchObject({ status: 200 })
    for (const [, file] of page.text.matchAll(/(?:src|href)="(\/console\/[^"]+)"/g))
      expect((await desk.call(undefined, 'GET', String(file))).status).toBe(200)
    expect((await desk.call(undefined, 'GET', '/console/pages.ts')).status).toBe(404)
    expect((await desk.call(undefined, 'GET', '/demo/session')).status).toBe(404)
    expect((await desk.call(undefined, 'GET', '/openapi.json')).json).toMatchObject({ paths: { '/v1/messages': {} } })
    expect((await desk.call(undefined, 'GET', '/asyncapi.json')).json).toMatchObject({
      asyncapi: '3.0.0',
      channels: { feed: { address: '/v1/feed' } },
    })
  })
})
