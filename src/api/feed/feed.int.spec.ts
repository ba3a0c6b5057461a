import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { startDesk, type Desk, type Frame } from '../../../tests/support/desk.ts'
import { positionOf } from '../../domain/kernel/position.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { eventFrame, feedTypes } from './frames.ts'

let desk: Desk
beforeAll(async () => {
  desk = await startDesk({ heartbeatMs: 60_000, slowBeyond: 256 * 1024 })
})
afterAll(() => desk.stop())

const auth = (key: string, more: object = {}) => ({ type: 'auth', token: key, ...more })
const greeted = async (key: string, more: object = {}) => {
  const client = desk.listen(auth(key, more))
  await client.until(() => client.frames.length > 0)
  return client
}
const typesOf = (frames: readonly Frame[]): string[] => frames.map(({ type }) => type)

describe('who may listen', () => {
  it('is told hello with a position', async () => {
    const { key } = await desk.tenant()
    const client = await greeted(key)
    expect(client.frames).toEqual([{ type: 'hello', position: expect.stringMatching(/^\d{20}$/) as string }])
  })
  it.each([
    ['a bad token', auth('nobody'), 'unauthorized', 4401],
    ['a frame that is no auth frame', { type: 'hello' }, 'invalid_frame', 4400],
    ['something that is no JSON', '{', 'invalid_frame', 4400],
    ['a position that is none', auth('nobody', { after: 'x' }), 'invalid_frame', 4400],
    ['no token', { type: 'auth' }, 'unauthorized', 4401],
    ['an empty token', auth(''), 'unauthorized', 4401],
    ['a token that is too long', auth('x'.repeat(9000)), 'unauthorized', 4401],
  ])('is not %s', async (_what, first, code, closed) => {
    const client = desk.listen(first)
    await client.until(() => client.closeCode() !== undefined)
    expect(client.frames).toEqual([{ type: 'error', code }])
    expect(client.closeCode()).toBe(closed)
  })
  it('is a client that fills in every field, adds its own and goes on talking', async () => {
    const tenant = await desk.tenant()
    const client = await greeted(tenant.key, { after: null, topics: null, tenant: null, client: 'x' })
    client.socket.send('{"type":"ping"}')
    client.socket.send(Buffer.from([1, 2, 3]))
    await desk.customerWrites(tenant, '34600111222', 'Hola')
    await client.until(() => typesOf(client.frames).includes('message.received'))
    expect(client.closeCode()).toBeUndefined()
  })
  it('is not who says nothing for too long', async () => {
    // A desk of its own: at one that is this impatient, a client on a busy machine may come too late with a good word.
    const impatient = await startDesk({ authTimeoutMs: 300 })
    try {
      const client = impatient.listen(undefined)
      await client.until(() => client.closeCode() !== undefined)
      expect({ code: client.closeCode(), frames: client.frames }).toEqual({ code: 4408, frames: [{ type: 'error', code: 'auth_timeout' }] })
    } finally {
      await impatient.stop()
    }
  })
  it('is not who guesses tokens: after a number of them, told so, and a good one is let in all the same', async () => {
    const strict = await startDesk({ failuresPerMinute: 3 })
    try {
      const ends: unknown[] = []
      for (let n = 0; n < 5; n++) {
        const client = strict.listen(auth(`guess-${n}`))
        await client.until(() => client.closeCode() !== undefined)
        ends.push([client.frames[0]?.code, client.closeCode()])
      }
      const told = (code: string, closed: number, times: number) => Array.from({ length: times }, () => [code, closed])
      expect(ends).toEqual([...told('unauthorized', 4401, 3), ...told('rate_limited', 4429, 2)])
      // Counted together with what is tried at the API.
      expect((await strict.call('guess', 'GET', '/v1/conversations')).status).toBe(429)
      const { key } = await strict.tenant()
      const good = strict.listen(auth(key))
      await good.until(() => good.frames.length > 0)
      expect(typesOf(good.frames)).toEqual(['hello'])
    } finally {
      await strict.stop()
    }
  })
  it('is not a key without the scope, nor a suspended organisation', async () => {
    const [narrow, suspended] = [await desk.tenant(), await desk.tenant()]
    desk.scopesOf.set(narrow.tenantId, ['messages:read'])
    desk.refused.set(suspended.tenantId, 'suspended')
    for (const [{ key }, code] of [
      [narrow, 'forbidden'],
      [suspended, 'tenant_suspended'],
    ] as const) {
      const client = desk.listen(auth(key))
      await client.until(() => client.closeCode() !== undefined)
      expect({ code: client.closeCode(), frames: client.frames }).toEqual({ code: 4403, frames: [{ type: 'error', code }] })
    }
  })
  it('is no longer a key that was revoked while it listened', async () => {
    const { key, tenantId } = await desk.tenant()
    const client = await greeted(key)
    desk.refused.set(tenantId, 'revoked')
    const meta = { occurredAt: new Date().toISOString(), correlationId: 'c', causationId: 'c', actor: { kind: 'api', id: 'a' } } as const
    await desk.store.append({
      stream: streamRef('tenant', tenantId, tenantId),
      expected: 'any',
      events: [{ id: randomUUID(), type: 'ApiKeyRevoked', schemaVersion: 1, data: { keyId: 'k' }, meta }],
    })
    await client.until(() => client.closeCode() !== undefined)
    expect(client.closeCode()).toBe(4401)
  })
  it('is no longer a key that was revoked while it was still sent what it had missed', async () => {
    const tenant = await desk.tenant()
    await desk.customerWrites(tenant, '34600111222', 'Hola')
    const { readAll } = desk.store
    const reading = vi.spyOn(desk.store, 'readAll').mockImplementation((read) => {
      // No event tells the hub of it any more: only the look at the end of the resume can find it.
      if (read.filter?.tenantId === tenant.tenantId) desk.refused.set(tenant.tenantId, 'revoked')
      return readAll(read)
    })
    const client = desk.listen(auth(tenant.key, { after: '0' }))
    await client.until(() => client.closeCode() !== undefined).finally(() => reading.mockRestore())
    expect(typesOf(client.frames)[0]).toBe('hello')
    expect(client.closeCode()).toBe(4401)
  })
})

describe('what is told', () => {
  it('is every step of a conversation, each after the query API shows it, in frames as asyncapi.json describes them', async () => {
    const tenant = await desk.tenant()
    const client = await greeted(tenant.key)
    const { conversationId, messageId } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    await client.until(() => typesOf(client.frames).includes('message.received'))
    const shown = await desk.call(tenant.key, 'GET', `/v1/conversations/${conversationId}`)
    const received = client.frames.find(({ type }) => type === 'message.received')
    expect(received?.data).toMatchObject({ id: messageId, content: { text: { body: 'Hola' } }, conversation: shown.json })
    expect(shown.json).toMatchObject({ unread_count: 1 })

    const sent = await desk.call(tenant.key, 'POST', `/v1/conversations/${conversationId}/messages`, { text: 'Buenos días' })
    const id = String(sent.json['id'])
    await desk.provider(tenant.tenantId, conversationId, { type: 'recordAttempt', messageId: id, attempt: 1 })
    await desk.provider(tenant.tenantId, conversationId, { type: 'recordAccepted', messageId: id, attempt: 1, providerId: 'wamid.O' })
    for (const status of ['delivered', 'read'] as const) {
      await desk.provider(tenant.tenantId, conversationId, { type: 'recordStatus', providerId: 'wamid.O', status, at: '2026-01-01T10:00:00.000Z' })
    }
    await desk.call(tenant.key, 'POST', `/v1/conversations/${conversationId}/read`)
    await client.until(() => typesOf(client.frames).includes('conversation.read'))
    expect(typesOf(client.events())).toEqual([
      'contact.created',
      'contact.updated',
      'conversation.created',
      'conversation.updated',
      'message.received',
      'conversation.updated',
      'message.queued',
      'message.status',
      'message.status',
      'message.status',
      'message.status',
      'conversation.read',
    ])
    const statuses = client.frames.filter(({ type }) => type === 'message.status').map(({ data }) => data)
    expect(statuses.map((data) => data?.['status'])).toEqual(['sending', 'sent', 'delivered', 'read'])
    expect(statuses[3]).toEqual({ id, conversation_id: conversationId, status: 'read', at: '2026-01-01T10:00:00.000Z', provider_id: 'wamid.O' })
    for (const frame of client.events()) {
      const type = feedTypes.find((known) => known === frame.type)
      expect(eventFrame(type ?? 'contact.created').safeParse(frame).error).toBeUndefined()
    }
    const positions = client.events().map(({ position }) => position)
    expect(positions).toEqual([...positions].sort())
    const before = client.events()[client.events().indexOf(received as Frame) - 1]
    expect(before).toMatchObject({ type: 'conversation.updated', data: shown.json })
    expect(String(before?.position) < String(received?.position)).toBe(true)
    expect(new Set(client.events().map(({ id }) => id)).size).toBe(client.events().length)
  })

  it('can be narrowed: who only follows conversations learns of a message as a changed conversation', async () => {
    const tenant = await desk.tenant()
    const conversations = await greeted(tenant.key, { topics: ['conversation'] })
    const messages = await greeted(tenant.key, { topics: ['message.received'] })
    await desk.customerWrites(tenant, '34600111222', 'Hola')
    await desk.customerWrites(tenant, '34600111222', '¿Oiga?')
    await conversations.until(() => conversations.events().length === 3)
    await messages.until(() => messages.events().length === 2)
    expect(typesOf(conversations.events())).toEqual(['conversation.created', 'conversation.updated', 'conversation.updated'])
    expect(conversations.events()[2]?.data).toMatchObject({ unread_count: 2 })
    expect(typesOf(messages.events())).toEqual(['message.received', 'message.received'])
    // Nothing of a message is left to come for who does not follow messages: its place is the message's own.
    expect(
      conversations
        .events()
        .slice(1)
        .map(({ position }) => position),
    ).toEqual(messages.events().map(({ position }) => position))
  })

  it('is never more than the key may read by the query API', async () => {
    const tenant = await desk.tenant()
    desk.scopesOf.set(tenant.tenantId, ['feed:read', 'messages:read'])
    const messages = await greeted(tenant.key)
    desk.scopesOf.set(tenant.tenantId, ['feed:read', 'contacts:read'])
    const contacts = await greeted(tenant.key)
    await desk.customerWrites(tenant, '34600111222', 'Hola')
    await messages.until(() => messages.events().length > 0)
    await contacts.until(() => contacts.events().length === 2)
    expect(typesOf(messages.events())).toEqual(['message.received'])
    expect(messages.events()[0]?.data).not.toHaveProperty('conversation')
    expect(typesOf(contacts.events())).toEqual(['contact.created', 'contact.updated'])
  })

  it('is never anything of another tenant, though the customer has the same phone', async () => {
    const [mine, theirs] = [await desk.tenant(), await desk.tenant()]
    const [here, there] = [await greeted(mine.key), await greeted(theirs.key)]
    for (let n = 0; n < 20; n++) {
      await Promise.all([desk.customerWrites(mine, '34600111222', `mío ${n}`), desk.customerWrites(theirs, '34600111222', `suyo ${n}`)])
    }
    const received = (frames: readonly Frame[]) => frames.filter(({ type }) => type === 'message.received')
    await here.until(() => received(here.frames).length === 20)
    await there.until(() => received(there.frames).length === 20)
    expect(JSON.stringify(here.frames)).not.toContain('suyo')
    expect(JSON.stringify(there.frames)).not.toContain('mío')
    // Nor by resuming from the start of the log.
    const again = desk.listen(auth(theirs.key, { after: '0' }))
    await again.until(() => received(again.frames).length === 20)
    expect(JSON.stringify(again.frames)).not.toContain('mío')
  })
})

describe('resuming', () => {
  it('between a conversation and the message that changed it begins with both again', async () => {
    const tenant = await desk.tenant()
    const first = await greeted(tenant.key)
    await desk.customerWrites(tenant, '34600111222', 'Hola')
    await first.until(() => typesOf(first.frames).includes('message.received'))
    const [changed, received] = first.events().slice(-2)
    const again = await greeted(tenant.key, { after: changed?.position })
    await again.until(() => again.events().length === 2)
    expect(again.events()).toEqual([changed, received])
    const done = await greeted(tenant.key, { after: received?.position })
    await desk.customerWrites(tenant, '34600111222', '¿Oiga?')
    await done.until(() => done.events().length > 1)
    expect(done.events()[1]?.data).toMatchObject({ content: { text: { body: '¿Oiga?' } } })
  })

  it(
    'after random disconnects under load shows every event once and in order, each message behind its conversation',
    { timeout: 120_000 },
    async () => {
      const tenant = await desk.tenant()
      const other = await desk.tenant()
      const writers = 6
      const each = 60
      let writing = true
      const load = Promise.all(
        Array.from({ length: writers }, async (_, writer) => {
          for (let n = 0; n < each; n++) {
            await desk.customerWrites(tenant, `3460000000${writer}`, `${writer}/${n}`)
            if (n % 3 === 0) await desk.customerWrites(other, `3460000000${writer}`, 'noise')
          }
        }),
      ).finally(() => (writing = false))

      /** A snapshot of the conversation may be repeated; what happened may not. */
      const happened = (frames: readonly Frame[]): Frame[] => frames.filter(({ type }) => type !== 'conversation.updated')
      const flaky = async (): Promise<Frame[]> => {
        const seen: Frame[] = []
        let after = '0'
        for (let round = 0; ; round++) {
          const client = desk.listen(auth(tenant.key, { after }))
          const stopAt = writing ? 1 + Math.floor(Math.random() * 40) : Infinity
          const total = writers * each
          const complete = (): boolean => happened([...seen, ...client.events()]).length >= total + 3 * writers
          await client.until(() => client.events().length >= stopAt || complete() || client.closeCode() !== undefined, 60_000)
          // What a client holds is what it has handled: everything later in its socket's buffer is lost with the connection.
          const handled = client.events().slice(0, stopAt)
          client.socket.terminate()
          seen.push(...handled)
          after = seen.at(-1)?.position ?? after
          if (happened(seen).length >= total + 3 * writers) return seen
          if (round > 2000) throw new Error('no end')
        }
      }
      const steady = desk.listen(auth(tenant.key, { after: '0' }))
      const histories = await Promise.all([flaky(), flaky(), flaky()])
      await load
      await steady.until(() => happened(steady.events()).length >= happened(histories[0]).length)

      const wanted = (await desk.store.readAll({ after: positionOf(0), filter: { tenantId: tenant.tenantId }, limit: 1000 })).events
        .filter(({ type }) => type !== 'ChannelAdded' && type !== 'ChannelConnected')
        .map(({ id }) => id)
      for (const history of [...histories, steady.events()]) {
        const ids = happened(history).flatMap(({ type, id }) => (type === 'channel.updated' ? [] : [id]))
        expect(ids).toEqual(wanted.slice(0, ids.length))
        expect(ids.length).toBeGreaterThanOrEqual(writers * each)
        for (const [place, { type, data }] of history.entries()) {
          if (type !== 'message.received') continue
          expect(history[place - 1]).toMatchObject({ type: 'conversation.updated', data: { id: data?.['conversation_id'] } })
        }
      }
    },
  )

  it('without a position begins with what comes next', async () => {
    const tenant = await desk.tenant()
    const { position } = await desk.customerWrites(tenant, '34600111222', 'antes')
    // What is published after the greeting is news: so the greeting waits until all of it has been.
    await expect.poll(() => desk.hub.published() >= position).toBe(true)
    const client = await greeted(tenant.key)
    await desk.customerWrites(tenant, '34600111222', 'después')
    await client.until(() => client.events().length > 1)
    expect(typesOf(client.events())).toEqual(['conversation.updated', 'message.received'])
    expect(client.events()[1]?.data).toMatchObject({ content: { text: { body: 'después' } } })
  })

  it('from too far back, or from a position that never was, is a resync that goes on live', async () => {
    const tenant = await desk.tenant()
    const meta = { occurredAt: new Date().toISOString(), correlationId: 'c', causationId: 'c', actor: { kind: 'api', id: 'a' } } as const
    // A long-lived snooze of a conversation that the read models do not know costs the feed nothing and still counts.
    for (let n = 0; n < 101; n++) {
      const data = { until: '2999-01-01T00:00:00.000Z' }
      const events = Array.from({ length: 100 }, () => ({ id: randomUUID(), type: 'ConversationSnoozed', schemaVersion: 1, data, meta }))
      await desk.store.append({ stream: streamRef('conversation', tenant.tenantId, 'many'), expected: 'any', events })
    }
    for (const after of ['0', '99999999999999999999']) {
      const client = desk.listen(auth(tenant.key, { after }))
      await client.until(() => client.frames.length >= 2)
      expect(typesOf(client.frames)).toEqual(['hello', 'resync'])
      expect(client.frames[1]?.position).toMatch(/^\d{20}$/)
      await desk.customerWrites(tenant, '34600111222', 'Hola')
      await client.until(() => typesOf(client.frames).includes('message.received'))
      client.socket.terminate()
    }
  })
})

describe('a slow reader', () => {
  it('is told to resync when it reads again, and holds nobody up meanwhile', { timeout: 240_000 }, async () => {
    const tenant = await desk.tenant()
    const [slow, quick] = [await greeted(tenant.key), await greeted(tenant.key)]
    slow.socket.pause()
    const long = 'x'.repeat(4000)
    const messages = 1500
    let last = ''
    for (let n = 0; n < messages; n += 50) {
      const written = await Promise.all(Array.from({ length: 50 }, (_, i) => desk.customerWrites(tenant, `346000000${i}`, `${n + i} ${long}`)))
      last =
        written
          .map(({ position }) => position)
          .sort()
          .at(-1) ?? last
    }
    const received = (frames: readonly Frame[]) => frames.filter(({ type }) => type === 'message.received')
    await quick.until(() => received(quick.frames).length === messages, 120_000)
    expect(typesOf(quick.frames)).not.toContain('resync')

    slow.socket.resume()
    await slow.until(() => typesOf(slow.frames).includes('resync'), 60_000)
    const place = slow.frames.findIndex(({ type }) => type === 'resync')
    expect(received(slow.frames).length).toBeLessThan(messages)
    expect(String(slow.frames[place]?.position) >= last).toBe(true)
    await desk.customerWrites(tenant, '34600111222', 'otra vez')
    await slow.until(() => JSON.stringify(slow.frames.at(-1)).includes('otra vez'))
    const positions = slow.frames.slice(1).map(({ position }) => position)
    expect(positions).toEqual([...positions].sort())
  })
})

describe('a silent connection', () => {
  it('is ended when it does not answer the heartbeat', async () => {
    const short = await startDesk({ heartbeatMs: 1_500 })
    try {
      const { key } = await short.tenant()
      const [dead, alive] = [short.listen(auth(key)), short.listen(auth(key))]
      await Promise.all([dead, alive].map((client) => client.until(() => client.frames.length === 1)))
      dead.socket.pause()
      await expect.poll(() => short.feed.connections()).toBe(1)
      expect(alive.closeCode()).toBeUndefined()
    } finally {
      await short.stop()
    }
  })
})
