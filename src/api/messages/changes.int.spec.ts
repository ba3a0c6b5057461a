import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDesk, type Desk } from '../../../tests/support/desk.ts'
import type { RecordChange } from '../../domain/conversation/changes.ts'
import type { RecordMessage } from '../../domain/conversation/recorded.ts'
import { eventFrame } from '../feed/frames.ts'

let desk: Desk
beforeAll(async () => {
  desk = await startDesk()
})
afterAll(() => desk.stop())

type Tenant = Awaited<ReturnType<Desk['tenant']>>
type Written = Awaited<ReturnType<Desk['customerWrites']>>
const now = () => new Date().toISOString()
let made = 0

/** A customer, or somebody on the phone, does something to a message; answered with the position at which it is shown. */
async function does(
  { tenantId, channelId }: Tenant,
  { conversationId, contactId }: Written,
  targetId: string,
  change: { kind: 'reaction'; emoji?: string } | { kind: 'edit'; text: string } | { kind: 'revoke' },
  by: 'contact' | 'phone' = 'contact',
): Promise<{ 'x-read-after': string }> {
  const facts = { targetId, providerId: `wamid.change.${++made}`, at: now() }
  const said: RecordChange['change'] =
    change.kind === 'edit'
      ? { kind: 'edit', ...facts, messageType: 'text', content: JSON.stringify({ text: { body: change.text } }) }
      : { ...change, ...facts }
  return shownAfter(await desk.provider(tenantId, conversationId, { type: 'recordChange', channelId, contactId, by: { kind: by }, change: said }))
}
function shownAfter(outcome: object): { 'x-read-after': string } {
  if (!('position' in outcome)) throw new Error('refused')
  return { 'x-read-after': String(outcome.position) }
}

describe('a message that was changed', () => {
  it('shows the reaction of the customer and ours, and the feed tells of each', async () => {
    const tenant = await desk.tenant()
    const written = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const { messageId, contactId, providerId } = written
    const client = desk.listen({ type: 'auth', token: tenant.key, topics: ['message.reaction'] })
    await client.until(() => client.frames.length > 0)
    await does(tenant, written, providerId, { kind: 'reaction', emoji: '👍' })
    const after = await does(tenant, written, providerId, { kind: 'reaction', emoji: '🙏' }, 'phone')
    const { json } = await desk.call(tenant.key, 'GET', `/v1/messages/${messageId}`, undefined, after)
    const before = await desk.call(tenant.key, 'GET', `/v1/messages/${messageId}`)
    expect(before.headers.get('etag')).toBe(`"${String(json['version'])}"`)
    expect(json['version']).toBeGreaterThan(2)
    expect(json['reactions']).toMatchObject([
      { emoji: '👍', by: { kind: 'contact', id: contactId } },
      { emoji: '🙏', by: { kind: 'phone' } },
    ])
    await client.until(() => client.events().length === 2)
    expect(client.events()).toMatchObject([
      { type: 'message.reaction', data: { id: messageId, change: { kind: 'reaction', emoji: '👍', by: { kind: 'contact', id: contactId } } } },
      {
        type: 'message.reaction',
        data: { id: messageId, change: { emoji: '🙏', by: { kind: 'phone' } }, conversation: { id: written.conversationId } },
      },
    ])
    for (const frame of client.events()) eventFrame('message.reaction').parse(frame)
    const off = await does(tenant, written, providerId, { kind: 'reaction' })
    expect((await desk.call(tenant.key, 'GET', `/v1/messages/${messageId}`, undefined, off)).json['reactions']).toMatchObject([{ emoji: '🙏' }])
  })

  it('shows its new words in the thread and in the inbox, and none once it is revoked', async () => {
    const tenant = await desk.tenant()
    const written = await desk.customerWrites(tenant, '34600111222', 'La contraseña es 1234')
    const { messageId, conversationId, providerId } = written
    const edited = await does(tenant, written, providerId, { kind: 'edit', text: 'Nada' })
    const thread = await desk.call(tenant.key, 'GET', `/v1/conversations/${conversationId}/messages`, undefined, edited)
    expect(thread.json).toMatchObject({ data: [{ id: messageId, content: { text: { body: 'Nada' } }, edited_at: expect.any(String) as string }] })
    const preview = async (after: Record<string, string>) =>
      (await desk.call(tenant.key, 'GET', `/v1/conversations/${conversationId}`, undefined, after)).json['last_message']
    expect(await preview(edited)).toMatchObject({ id: messageId, preview: 'Nada' })

    const revoked = await does(tenant, written, providerId, { kind: 'revoke' })
    expect(await preview(revoked)).toMatchObject({ id: messageId, preview: '🚫 deleted' })
    const gone = await desk.call(tenant.key, 'GET', `/v1/conversations/${conversationId}/messages`, undefined, revoked)
    expect(gone.json).toMatchObject({ data: [{ id: messageId, content: null, revoked_at: expect.any(String) as string }] })
    expect(gone.text).not.toContain('1234')
  })

  it('is changed also when the change came before it', async () => {
    const tenant = await desk.tenant()
    const before = await desk.customerWrites(tenant, '34600111222', 'Hola')
    await does(tenant, before, 'wamid.early', { kind: 'reaction', emoji: '❤️' })
    await does(tenant, before, 'wamid.early', { kind: 'revoke' })
    const { tenantId, channelId } = tenant
    const { contactId, conversationId } = before
    const outcome = await desk.provider(tenantId, conversationId, {
      type: 'receive',
      channelId,
      contactId,
      messageId: 'early',
      providerId: 'wamid.early',
      messageType: 'text',
      content: '{"text":{"body":"no"}}',
      at: now(),
    })
    const { json } = await desk.call(tenant.key, 'GET', '/v1/messages/early', undefined, shownAfter(outcome))
    expect(json).toMatchObject({ content: null, reactions: [{ emoji: '❤️' }] })
  })

  it('bears our reaction as soon as it is queued and not when it failed; the reaction is no message of the thread', async () => {
    const tenant = await desk.tenant()
    const written = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const { messageId, conversationId, providerId } = written
    const sent = await desk.call(tenant.key, 'POST', `/v1/conversations/${conversationId}/messages`, {
      type: 'reaction',
      reaction: { message_id: providerId, emoji: '🎉' },
    })
    expect(sent.status).toBe(202)
    const after = { 'x-read-after': String(sent.headers.get('x-position')) }
    const reactions = async (headers: Record<string, string>) =>
      (await desk.call(tenant.key, 'GET', `/v1/messages/${messageId}`, undefined, headers)).json['reactions']
    expect(await reactions(after)).toMatchObject([{ emoji: '🎉', by: { kind: 'api' } }])
    const thread = await desk.call(tenant.key, 'GET', `/v1/conversations/${conversationId}/messages`, undefined, after)
    expect((thread.json['data'] as { id: string }[]).map(({ id }) => id)).toEqual([messageId])
    const id = String(sent.json['id'])
    expect((await desk.call(tenant.key, 'GET', `/v1/messages/${id}`, undefined, after)).json).toMatchObject({ type: 'reaction', status: 'queued' })
    expect((await desk.call(tenant.key, 'GET', `/v1/conversations/${conversationId}`)).json['last_message']).toMatchObject({ id: messageId })

    await desk.provider(tenant.tenantId, conversationId, { type: 'recordAttempt', messageId: id, attempt: 1 })
    const error = { code: 'provider_131009', title: 'no', retryable: false }
    const failed = await desk.provider(tenant.tenantId, conversationId, { type: 'recordFailed', messageId: id, attempt: 1, error, at: now() })
    expect(await reactions(shownAfter(failed))).toEqual([])
  })
})

describe('what went by without us', () => {
  const echo = (tenant: Tenant, written: Written, more: Partial<RecordMessage> & { messageId: string; at: string }): RecordMessage => ({
    type: 'recordMessage',
    channelId: tenant.channelId,
    contactId: written.contactId,
    origin: 'history',
    direction: 'inbound',
    providerId: `wamid.${more.messageId}`,
    messageType: 'text',
    content: JSON.stringify({ text: { body: more.messageId } }),
    ...more,
  })

  it('stands in the thread by its own time, also across pages, and is unread for nobody', async () => {
    const tenant = await desk.tenant()
    const written = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const { conversationId, messageId } = written
    const old = (day: number) => `2025-06-0${day}T08:00:00.000Z`
    let outcome: object = {}
    // Delivered in any order; two of the same second keep the order in which they came.
    for (const [id, day] of [
      ['h3', 3],
      ['h1', 1],
      ['h2', 2],
      ['h2-too', 2],
    ] as const) {
      outcome = await desk.provider(tenant.tenantId, conversationId, echo(tenant, written, { messageId: `${id}-${tenant.tenantId}`, at: old(day) }))
    }
    const phone = echo(tenant, written, { messageId: `p-${tenant.tenantId}`, at: now(), origin: 'phone', direction: 'outbound' })
    outcome = await desk.provider(tenant.tenantId, conversationId, phone)
    const after = shownAfter(outcome)
    const seen: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const path = `/v1/conversations/${conversationId}/messages?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`
      const { json } = await desk.call(tenant.key, 'GET', path, undefined, after)
      seen.push(...(json['data'] as { id: string }[]).map(({ id }) => id))
      cursor = json['next_cursor'] as string | null
    }
    const named = ['p', 'Hola', 'h3', 'h2-too', 'h2', 'h1'].map((name) => (name === 'Hola' ? messageId : `${name}-${tenant.tenantId}`))
    expect(seen).toEqual(named)
    const newer = await desk.call(tenant.key, 'GET', `/v1/conversations/${conversationId}/messages?after=${named[3] ?? ''}`)
    expect((newer.json['data'] as { id: string }[]).map(({ id }) => id)).toEqual(named.slice(0, 3))
    const { json } = await desk.call(tenant.key, 'GET', `/v1/conversations/${conversationId}`)
    expect(json).toMatchObject({ unread_count: 1, last_message: { id: named[0], direction: 'outbound', status: 'sent' } })
    expect((await desk.call(tenant.key, 'GET', `/v1/messages/${named[0] ?? ''}`)).json).toMatchObject({ sent_by: { kind: 'phone' } })
    expect((await desk.call(tenant.key, 'GET', `/v1/messages/${named[5] ?? ''}`)).json).toMatchObject({ history: true, occurred_at: old(1) })
  })
})
