import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDesk, type Desk } from '../../../tests/support/desk.ts'

let desk: Desk
beforeAll(async () => {
  desk = await startDesk({ moments: { mostEvents: 200, mostPerTenant: 3 } })
})
afterAll(() => desk.stop())

type Tenant = Awaited<ReturnType<Desk['tenant']>>
const lists = ['conversations', 'contacts', 'messages', 'messageChanges', 'channels']
const seen = (position: string) => desk.applied.waitFor(lists, position as never, 20_000)
const get = async (tenant: Tenant, path: string) => desk.call(tenant.key, 'GET', path)
const at = (path: string, moment: string): string => `${path}${path.includes('?') ? '&' : '?'}as_of=${encodeURIComponent(moment)}`
const text = ({ json }: { json: Record<string, unknown> }): string => JSON.stringify(json)

/** A conversation that lives a little, and what every address showed after each step. */
async function lived(tenant: Tenant) {
  const { channelId } = tenant
  const first = await desk.customerWrites(tenant, '34600111222', 'Hola')
  const { conversationId, contactId } = first
  const addresses = [
    `/v1/conversations/${conversationId}`,
    `/v1/conversations/${conversationId}/messages?limit=2`,
    `/v1/messages/${first.messageId}`,
    `/v1/contacts/${contactId}`,
    '/v1/conversations',
    '/v1/contacts',
  ]
  const moments: { position: string; time: string; shown: Map<string, string> }[] = []
  async function remember(position: string) {
    await seen(position)
    const time = new Date().toISOString()
    const shown = new Map<string, string>()
    for (const address of addresses) shown.set(address, text(await get(tenant, address)))
    moments.push({ position, time, shown })
    await sleep(5)
  }
  await remember(first.position)
  const change = (command: Parameters<Desk['provider']>[2]) => desk.provider(tenant.tenantId, conversationId, command)
  const by = { type: 'recordChange' as const, channelId, contactId, by: { kind: 'contact' as const } }
  const steps = [
    () => desk.customerWrites(tenant, '34600111222', '¿Hay sitio?', 'Ana María'),
    () =>
      change({ ...by, change: { kind: 'reaction', targetId: first.providerId, providerId: 'wamid.r', at: new Date().toISOString(), emoji: '👍' } }),
    () => change({ type: 'markRead' }),
    () =>
      change({
        ...by,
        change: {
          kind: 'edit',
          targetId: first.providerId,
          providerId: 'wamid.e',
          at: new Date().toISOString(),
          messageType: 'text',
          content: '{"text":{"body":"Hola!"}}',
        },
      }),
    () => desk.customerWrites(tenant, '34600333444', 'Buenas', 'Luis'),
    () => desk.customerWrites(tenant, '34600111222', 'Gracias', 'Ana María'),
    () => change({ ...by, change: { kind: 'revoke', targetId: first.providerId, providerId: 'wamid.d', at: new Date().toISOString() } }),
    () => change({ type: 'setStatus', status: 'resolved' }),
  ]
  for (const step of steps) {
    const outcome = await step()
    if (!('position' in outcome)) throw new Error('refused')
    await remember(outcome.position)
  }
  return { ...first, moments }
}

describe('what was so', () => {
  it('is what the API showed then, by time and by position, of single resources, threads and lists', async () => {
    const tenant = await desk.tenant()
    const { moments } = await lived(tenant)
    for (const { position, time, shown } of moments) {
      for (const [address, then] of shown) {
        for (const moment of [position, time]) {
          const answer = await get(tenant, at(address, moment))
          expect([address, answer.status, text(answer)]).toEqual([address, 200, then])
          expect(answer.headers.get('x-position')).toBe(position)
        }
      }
    }
  })

  it('shows a thread page by page in both directions', async () => {
    const tenant = await desk.tenant()
    const written: { conversationId: string; position: string; messageId: string }[] = []
    for (let n = 0; n < 9; n++) written.push(await desk.customerWrites(tenant, '34600111222', `${n}`))
    const [then] = written.slice(6)
    const ids = written.slice(0, 7).map(({ messageId }) => messageId)
    const walk = async (start: string): Promise<string[]> => {
      const found: string[] = []
      for (let cursor = ''; ;) {
        const { status, json } = await get(
          tenant,
          at(`/v1/conversations/${then?.conversationId}/messages?limit=3${start}${cursor}`, then?.position ?? ''),
        )
        expect(status).toBe(200)
        found.push(...(json['data'] as { id: string }[]).map(({ id }) => id))
        if (json['next_cursor'] === null) return found
        cursor = `&cursor=${json['next_cursor'] as string}`
      }
    }
    expect(await walk('')).toEqual(ids.toReversed())
    expect((await walk(`&after=${ids[0]}`)).toSorted()).toEqual(ids.slice(1).toSorted())
    const late = written[8]?.messageId
    expect((await get(tenant, at(`/v1/conversations/${then?.conversationId}/messages?before=${late}`, then?.position ?? ''))).status).toBe(422)
  })

  it('is nothing before it began, and a mistake when the moment is none', async () => {
    const tenant = await desk.tenant()
    const { conversationId, contactId, messageId, position } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    await seen(position)
    for (const address of [
      `/v1/conversations/${conversationId}`,
      `/v1/conversations/${conversationId}/messages`,
      `/v1/contacts/${contactId}`,
      `/v1/messages/${messageId}`,
    ]) {
      expect((await get(tenant, at(address, '2020-01-01T00:00:00Z'))).status).toBe(404)
      expect((await get(tenant, at(address, '2999-01-01T00:00:00+02:00'))).status).toBe(200)
      for (const moment of ['yesterday', '2026-13-01T00:00:00Z', '-1', ''])
        expect((await get(tenant, at(address, moment))).json).toMatchObject({ code: 'invalid_request' })
    }
    expect((await get(tenant, at('/v1/conversations', '0'))).json).toEqual({ data: [], next_cursor: null })
  })

  it('stays behind the wall of its tenant', async () => {
    const [tenant, neighbour] = [await desk.tenant(), await desk.tenant()]
    const { conversationId, contactId, messageId, position } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const theirs = await desk.customerWrites(neighbour, '34600111222', 'Otra casa')
    await seen(theirs.position)
    for (const address of [
      `/v1/conversations/${conversationId}`,
      `/v1/conversations/${conversationId}/messages`,
      `/v1/contacts/${contactId}`,
      `/v1/messages/${messageId}`,
    ]) {
      expect((await get(neighbour, at(address, position))).status).toBe(404)
    }
    expect((await get(neighbour, at('/v1/conversations', position))).json).toEqual({ data: [], next_cursor: null })
    expect((await get(tenant, at('/v1/conversations', position))).json).toMatchObject({ data: [{ id: conversationId }] })
    // Also for whoever finds the name of the tables and asks them directly.
    const { rows } = await desk.pools.worker.query<{ id: string }>('select id from es.moments where tenant_id = $1', [tenant.tenantId])
    const table = `rm_conversations_asof_${rows[0]?.id.replaceAll('-', '')}.conversations`
    const counted = async (tenantId: string | undefined): Promise<unknown> => {
      const client = await desk.pools.api.connect()
      try {
        await client.query('begin')
        if (tenantId !== undefined) await client.query(`set local recado.tenant = '${tenantId}'`)
        return (await client.query<{ n: number }>(`select count(*)::int as n from ${table}`)).rows[0]?.n
      } finally {
        await client.query('rollback')
        client.release()
      }
    }
    expect([await counted(tenant.tenantId), await counted(neighbour.tenantId), await counted(undefined)]).toEqual([1, 0, 0])
    await expect(desk.pools.api.query(`delete from ${table}`)).rejects.toThrow('permission denied')
    await expect(desk.pools.api.query('select from es.moments')).rejects.toThrow('permission denied')
  })
})

describe('what changed between two moments', () => {
  it('is the fields before and after, and what happened in between as sentences', async () => {
    const tenant = await desk.tenant()
    const { conversationId, contactId, moments } = await lived(tenant)
    const [first, second] = [moments[0]?.position ?? '', moments[1]?.position ?? '']
    const [early, late] = [moments[0]?.time ?? '', moments.at(-1)?.time ?? '']
    const path = `/v1/conversations/${conversationId}/diff`
    const all = await get(tenant, `${path}?from=${early}&to=${late}`)
    expect(all.json).toMatchObject({
      from: { position: first, existed: true },
      to: { position: moments.at(-1)?.position, existed: true },
      changes: expect.arrayContaining([
        { field: 'status', before: 'open', after: 'resolved' },
        { field: 'contact.name', before: 'Ana', after: 'Ana María' },
        { field: 'last_message.preview', before: 'Hola', after: 'Gracias' },
      ]) as unknown,
      events: expect.arrayContaining(
        [{ type: 'ConversationResolved', summary: expect.stringMatching(/resolved the conversation/) as unknown }].map(
          (one) => expect.objectContaining(one) as unknown,
        ),
      ) as unknown,
      next_cursor: null,
    })
    expect((all.json['changes'] as { field: string }[]).map(({ field }) => field)).not.toContain('id')
    const types = (json: Record<string, unknown>): string[] => (json['events'] as { type: string }[]).map(({ type }) => type)
    expect((await get(tenant, `${path}?from=${first}&to=${second}`)).json).toMatchObject({ events: [{ type: 'MessageReceived' }] })
    expect((await get(tenant, `${path}?from=${first}&to=${first}`)).json).toMatchObject({ changes: [], events: [] })

    const paged: string[] = []
    for (let cursor = ''; ;) {
      const { json } = await get(tenant, `${path}?from=${first}&limit=2${cursor}`)
      paged.push(...types(json))
      if (json['next_cursor'] === null) break
      cursor = `&cursor=${json['next_cursor'] as string}`
    }
    expect(paged).toEqual(types(all.json))

    expect((await get(tenant, `/v1/contacts/${contactId}/diff?from=0`)).json).toMatchObject({
      from: { existed: false },
      to: { existed: true },
      changes: expect.arrayContaining([{ field: 'name', after: 'Ana María' }]) as unknown,
    })
    expect((await get(tenant, `/v1/channels/${tenant.channelId}/diff?from=0`)).json).toMatchObject({
      changes: expect.arrayContaining([{ field: 'name', after: 'Ventas' }]) as unknown,
      events: [{ type: 'ChannelAdded', data: { access_token: null } }, { type: 'ChannelConnected' }],
    })
  })

  it("is a mistake backwards, and nothing for what never was or is a neighbour's", async () => {
    const [tenant, neighbour] = [await desk.tenant(), await desk.tenant()]
    const { conversationId, position } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const path = `/v1/conversations/${conversationId}/diff`
    expect((await get(tenant, `${path}?from=${position}&to=0`)).json).toMatchObject({ code: 'invalid_request' })
    expect((await get(tenant, path)).json).toMatchObject({ code: 'invalid_request' })
    expect((await get(tenant, `/v1/conversations/${randomUUID()}/diff?from=0`)).status).toBe(404)
    expect((await get(neighbour, `${path}?from=0`)).status).toBe(404)
  })
})

describe('a list as of a moment', () => {
  const schemas = async (): Promise<string[]> =>
    (await desk.pools.owner.query<{ name: string }>(`select nspname as name from pg_namespace where nspname like '%\\_asof\\_%'`)).rows.map(
      ({ name }) => name,
    )
  const living = async (tenant: Tenant): Promise<number> =>
    (await desk.pools.worker.query('select from es.moments where tenant_id = $1', [tenant.tenantId])).rowCount ?? 0

  it('is built once for a moment, however many ask for it at once, and goes when nobody asks any more', async () => {
    const tenant = await desk.tenant()
    const { position } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const answers = await Promise.all(Array.from({ length: 8 }, () => get(tenant, at('/v1/conversations', position))))
    expect(new Set(answers.map((answer) => `${answer.status} ${text(answer)}`)).size).toBe(1)
    expect(answers[0]?.json).toMatchObject({ data: [{ unread_count: 1 }] })
    expect(await living(tenant)).toBe(1)
    await desk.moments.purge()
    expect(await living(tenant)).toBe(1)
    await desk.pools.worker.query(`update es.moments set expires_at = clock_timestamp() - interval '1 second'`)
    await desk.moments.purge()
    expect(await living(tenant)).toBe(0)
    expect(await schemas()).toEqual([])
    expect((await get(tenant, at('/v1/conversations', position))).status).toBe(200)
  })

  it('makes room for the moments that a tenant asks for by dropping the one that was not asked for the longest', async () => {
    const tenant = await desk.tenant()
    for (let n = 0; n < 5; n++) {
      const { position } = await desk.customerWrites(tenant, '34600111222', `${n}`)
      expect((await get(tenant, at('/v1/contacts', position))).status).toBe(200)
    }
    expect(await living(tenant)).toBe(3)
  })

  it('takes the place of one whose builder died, and drops what that one left behind', async () => {
    const tenant = await desk.tenant()
    const { position, contactId } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const dead = randomUUID()
    const left = `rm_contacts_asof_${dead.replaceAll('-', '')}`
    await desk.pools.worker.query(
      `insert into es.moments (id, tenant_id, models, position, state, beat_at, expires_at)
       values ($1, $2, 'contacts@v2', $3, 'building', clock_timestamp() - interval '1 minute', clock_timestamp() + interval '1 minute')`,
      [dead, tenant.tenantId, position],
    )
    await desk.pools.owner.query(`create schema ${left}`)
    expect((await get(tenant, at('/v1/contacts', position))).json).toMatchObject({ data: [{ id: contactId }] })
    expect(await living(tenant)).toBe(1)
    await desk.moments.purge()
    expect(await schemas()).not.toContain(left)
  })

  it('is refused where more happened than is read for one answer, and single resources are not', async () => {
    const tenant = await desk.tenant()
    const { conversationId } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    let position = ''
    for (let n = 0; n < 101; n++) {
      await desk.provider(tenant.tenantId, conversationId, { type: 'setStatus', status: 'resolved' })
      const opened = await desk.provider(tenant.tenantId, conversationId, { type: 'setStatus', status: 'open' })
      if ('position' in opened) ({ position } = opened)
    }
    expect((await get(tenant, at('/v1/conversations', position))).json).toMatchObject({ status: 422, code: 'moment_too_long' })
    expect((await get(tenant, at(`/v1/conversations/${conversationId}`, position))).status).toBe(200)
  })
})
