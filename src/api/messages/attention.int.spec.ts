import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDesk, type Desk } from '../../../tests/support/desk.ts'
import { collect } from '../../../tests/support/events.ts'
import { streamRef } from '../../domain/kernel/stream.ts'

let desk: Desk
beforeAll(async () => {
  desk = await startDesk()
})
afterAll(() => desk.stop())

type Tenant = Awaited<ReturnType<Desk['tenant']>>
const error = { code: 'provider_131026', title: 'The message cannot be delivered', detail: 'Reach the person in another way.', retryable: false }
const after = (outcome: object) => ({ 'x-read-after': 'position' in outcome ? String(outcome.position) : '' })

async function sent(tenant: Tenant, body: unknown = { text: 'Hola' }) {
  const written = await desk.customerWrites(tenant, `346${Math.floor(Math.random() * 1e8)}`, 'Hola')
  const { conversationId } = written
  const { status, json, text } = await desk.call(tenant.key, 'POST', `/v1/conversations/${conversationId}/messages`, body, after(written))
  expect(status, text).toBe(202)
  const id = String(json['id'])
  const attempt = { messageId: id, attempt: 1 }
  await desk.provider(tenant.tenantId, conversationId, { type: 'recordAttempt', ...attempt })
  return {
    id,
    conversationId,
    fails: () => desk.provider(tenant.tenantId, conversationId, { type: 'recordFailed', ...attempt, error, at: new Date().toISOString() }),
    getsLost: () => desk.provider(tenant.tenantId, conversationId, { type: 'recordUnknown', ...attempt, reason: 'time-out' }),
    isAccepted: () => desk.provider(tenant.tenantId, conversationId, { type: 'recordAccepted', ...attempt, providerId: `wamid.${id}` }),
  }
}
const listed = (json: Record<string, unknown>) => (json['data'] as { id: string; status: string }[]).map(({ id, status }) => [id, status])

describe('messages that need somebody', () => {
  it('are listed with what happened, newest first, page by page, and no others', async () => {
    const tenant = await desk.tenant()
    const failed = await sent(tenant)
    await failed.fails()
    await (await sent(tenant)).isAccepted()
    const lost = await sent(tenant)
    const position = after(await lost.getsLost())
    const { json } = await desk.call(tenant.key, 'GET', '/v1/dead-letters', undefined, position)
    expect(listed(json)).toEqual([
      [lost.id, 'unknown'],
      [failed.id, 'failed'],
    ])
    expect(json).toMatchObject({ data: [{ error: { code: 'outcome_unknown' } }, { error: { code: 'provider_131026', detail: error.detail } }] })
    const unknown = await desk.call(tenant.key, 'GET', '/v1/dead-letters?status=unknown')
    expect(listed(unknown.json)).toEqual([[lost.id, 'unknown']])
    const first = await desk.call(tenant.key, 'GET', '/v1/dead-letters?limit=1')
    const second = await desk.call(tenant.key, 'GET', `/v1/dead-letters?limit=1&cursor=${String(first.json['next_cursor'])}`)
    expect([...listed(first.json), ...listed(second.json)].map(([id]) => id)).toEqual([lost.id, failed.id])
    expect(second.json['next_cursor']).toBeNull()
    expect((await desk.call(tenant.key, 'GET', '/v1/dead-letters?cursor=nonsense')).status).toBe(422)
  })

  it('leave the list when a person says that they arrived, and a report of the provider still counts', async () => {
    const tenant = await desk.tenant()
    const { id, conversationId, getsLost } = await sent(tenant)
    const lost = after(await getsLost())
    const resolved = await desk.call(tenant.key, 'POST', `/v1/messages/${id}/resolve`, { as: 'sent', note: 'Ana confirmed it' }, lost)
    expect(resolved.status).toBe(200)
    const position = { 'x-read-after': resolved.headers.get('x-position') ?? '' }
    expect((await desk.call(tenant.key, 'GET', '/v1/dead-letters', undefined, position)).json).toMatchObject({ data: [] })
    expect((await desk.call(tenant.key, 'GET', `/v1/messages/${id}`)).json).toMatchObject({ status: 'sent' })
    const report = { type: 'recordStatus', messageId: id, providerId: 'wamid.x', status: 'failed', at: new Date().toISOString(), error } as const
    const late = await desk.provider(tenant.tenantId, conversationId, report)
    expect(listed((await desk.call(tenant.key, 'GET', '/v1/dead-letters', undefined, after(late))).json)).toEqual([[id, 'failed']])
  })

  it('that were given up can be sent again; what is known cannot be resolved', async () => {
    const tenant = await desk.tenant()
    const { id, getsLost } = await sent(tenant)
    const lost = after(await getsLost())
    const resolved = await desk.call(tenant.key, 'POST', `/v1/messages/${id}/resolve`, { as: 'failed' }, lost)
    const position = { 'x-read-after': resolved.headers.get('x-position') ?? '' }
    const shown = await desk.call(tenant.key, 'GET', `/v1/messages/${id}`, undefined, position)
    expect(shown.json).toMatchObject({ status: 'failed', error: { code: 'given_up' } })
    expect((await desk.call(tenant.key, 'POST', `/v1/messages/${id}/resolve`, { as: 'failed' })).status).toBe(200)
    expect((await desk.call(tenant.key, 'POST', `/v1/messages/${id}/resolve`, { as: 'sent' })).json).toMatchObject({ code: 'message_not_resolvable' })
    expect((await desk.call(tenant.key, 'POST', `/v1/messages/${id}/retry`)).status).toBe(202)
    const known = await sent(tenant)
    const accepted = await known.isAccepted()
    const refused = await desk.call(tenant.key, 'POST', `/v1/messages/${known.id}/resolve`, { as: 'failed' }, after(accepted))
    expect(refused).toMatchObject({ status: 409, json: { code: 'message_not_resolvable' } })
    expect((await desk.call(tenant.key, 'POST', '/v1/messages/nobody/resolve', { as: 'sent' })).status).toBe(404)
  })
})

describe('sending', () => {
  it("keeps the caller's own data and gives it back with the message", async () => {
    const tenant = await desk.tenant()
    const body = { type: 'text', text: { body: 'Hola' }, biz_opaque_callback_data: 'order 7', recipient_identity_key_hash: 'DF2lS5v2W6x=' }
    const message = await sent(tenant, body)
    const { json } = await desk.call(tenant.key, 'GET', `/v1/messages/${message.id}`, undefined, after(await message.isAccepted()))
    expect(json).toMatchObject({ content: { text: { body: 'Hola' }, biz_opaque_callback_data: 'order 7' } })
  })

  it('that is refused leaves no contact behind', async () => {
    const tenant = await desk.tenant()
    const before = await desk.store.head()
    const body = { channel_id: tenant.channelId, to: '+34 600 999 888', text: 'Hola' }
    expect(await desk.call(tenant.key, 'POST', '/v1/messages', body)).toMatchObject({ status: 409, json: { code: 'window_closed' } })
    expect(await desk.store.head()).toEqual(before)
    const template = { name: 'hello_world', language: { code: 'en_US' } }
    const taken = await desk.call(tenant.key, 'POST', '/v1/messages', { ...body, text: undefined, type: 'template', template })
    expect(taken.status).toBe(202)
  })

  it('reacts to a message named by our id, in the name of Meta, and takes it off when it fails', async () => {
    const tenant = await desk.tenant()
    const { conversationId, messageId, providerId, position } = await desk.customerWrites(tenant, '34600111000', 'Hola')
    const react = { type: 'reaction', reaction: { message_id: messageId, emoji: '👍' } }
    const { json } = await desk.call(tenant.key, 'POST', `/v1/conversations/${conversationId}/messages`, react, { 'x-read-after': position })
    const id = String(json['id'])
    const attempt = { messageId: id, attempt: 1 }
    await desk.provider(tenant.tenantId, conversationId, { type: 'recordAttempt', ...attempt })
    await desk.provider(tenant.tenantId, conversationId, { type: 'recordFailed', ...attempt, error, at: new Date().toISOString() })
    const events = (await collect(desk.store.readStream(streamRef('conversation', tenant.tenantId, conversationId)))).filter(({ type }) =>
      ['MessageQueued', 'MessageReacted'].includes(type),
    )
    expect(events).toMatchObject([
      { type: 'MessageQueued', data: { messageType: 'reaction', reactsTo: providerId } },
      { type: 'MessageReacted', data: { targetId: providerId, providerId: id } },
    ])
    expect(events[1]?.data).not.toHaveProperty('emoji')
    const again = await desk.call(tenant.key, 'POST', `/v1/messages/${id}/retry`)
    expect(again).toMatchObject({ status: 409, json: { code: 'message_not_retryable' } })
  })
})

describe('a change that waits for a position not yet there', () => {
  it('is answered with the stale mark, and a refusal for what could not be seen yet is not kept', async () => {
    const tenant = await desk.tenant()
    const { conversationId, messageId, position } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const tooEarly = { 'x-read-after': '99999999999', 'idempotency-key': randomUUID() }
    const path = `/v1/conversations/${conversationId}/messages`
    const early = await desk.call(tenant.key, 'POST', path, { text: 'Sí', context: { message_id: 'nobody' } }, tooEarly)
    expect(early).toMatchObject({ status: 422, json: { errors: [{ path: 'body.context.message_id' }] } })
    expect(early.headers.get('x-stale')).toBe('true')
    const again = await desk.call(tenant.key, 'POST', path, { text: 'Sí', context: { message_id: 'nobody' } }, tooEarly)
    expect(again.headers.get('idempotent-replay')).toBeNull()
    const answered = await desk.call(tenant.key, 'POST', path, { text: 'Sí', context: { message_id: messageId } }, { 'x-read-after': position })
    expect(answered.status).toBe(202)
    expect(answered.headers.get('x-stale')).toBeNull()
    const odd = await desk.call(tenant.key, 'POST', `/v1/messages/${messageId}/retry`, undefined, { 'x-read-after': 'soon' })
    expect(odd).toMatchObject({ status: 422, json: { errors: [{ path: 'header.X-Read-After' }] } })
  })
})

describe('what the customer sees of us', () => {
  it('is that we read the last message, and that somebody is writing', async () => {
    const tenant = await desk.tenant()
    const first = await desk.customerWrites(tenant, '34600111333', 'Hola')
    const { conversationId, providerId, position } = await desk.customerWrites(tenant, '34600111333', '¿Hay alguien?')
    await desk.call(tenant.key, 'GET', `/v1/conversations/${conversationId}/messages`, undefined, { 'x-read-after': position })
    desk.seen.length = 0
    const path = `/v1/conversations/${conversationId}`
    expect((await desk.call(tenant.key, 'POST', `${path}/read`, { message_id: first.messageId })).status).toBe(200)
    await expect.poll(() => desk.seen).toEqual([{ what: 'read', providerId: first.providerId }])
    expect((await desk.call(tenant.key, 'POST', `${path}/typing`)).status).toBe(202)
    expect((await desk.call(tenant.key, 'POST', `${path}/read`)).status).toBe(200)
    await expect
      .poll(() => desk.seen.slice(1))
      .toEqual([
        { what: 'typing', providerId },
        { what: 'read', providerId },
      ])
    expect((await desk.call(tenant.key, 'POST', '/v1/conversations/nobody/typing')).status).toBe(404)
  })
})
