import type { CompiledQuery } from 'kysely'
import type { Pool } from 'pg'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../tests/support/database.ts'
import { createMemoryEventStore } from '../adapters/event-store/memory/event-store.ts'
import type { DomainEvent } from '../domain/catalogue.ts'
import type { EventStore } from '../domain/kernel/event-store.ts'
import { derivedId } from '../domain/kernel/ids.ts'
import { streamRef, type Category } from '../domain/kernel/stream.ts'
import { acquireLease } from '../postgres/lease.ts'
import { createPool } from '../postgres/pool.ts'
import { tenantQueries, type TenantQueries } from '../postgres/queries.ts'
import { inTenant } from '../postgres/transaction.ts'
import { getApiKey, listApiKeys } from './apiKeys/queries.ts'
import { getChannel, listChannels } from './channels/queries.ts'
import { getContact, listContacts } from './contacts/queries.ts'
import { conversationsQuery, getConversation, listConversations, type ConversationFilter } from './conversations/queries.ts'
import { dueSnoozes } from './conversations/due-snoozes.ts'
import { deliveriesQuery, getDelivery, listDeliveries } from './deliveries/queries.ts'
import { createAppliedPositions } from './engine/applied-positions.ts'
import { prepareReadModels } from './engine/generations.ts'
import { runProjection } from './engine/live.ts'
import { operatorQueries } from './engine/operator.ts'
import { BadCursor, encodeCursor } from './engine/page.ts'
import { projections } from './index.ts'
import { getMessage, getMessageByProviderId, getMessages, listMessages, threadQuery } from './messages/queries.ts'
import { storedFilesOf } from './media/files-of.ts'
import { getTenant, listTenants } from './tenants/queries.ts'

const acme = '0197c0de-0000-7000-8000-00000000000a'
const bolt = '0197c0de-0000-7000-8000-00000000000b'
const large = '0197c0de-0000-7000-8000-00000000000c'

describe('the queries of the read models', () => {
  let home: TestDatabase
  let pool: Pool
  let ownerPool: Pool
  let apiPool: Pool
  let queries: TenantQueries
  // A clock that turns with every fifth event: some moments are equal, always the same ones, and none depends on how fast this machine is.
  const began = Date.now()
  let looked = 0
  const store: EventStore = createMemoryEventStore({ clock: () => new Date(began + Math.floor(looked++ / 5)) })
  const stop = new AbortController()
  const running: Promise<void>[] = []
  let appended = 0

  async function given(category: Category, tenantId: string, id: string, ...events: DomainEvent[]): Promise<void> {
    const meta = { occurredAt: '2026-01-01T12:00:00Z', correlationId: 'c', causationId: 'c', actor: { kind: 'process', id: 'test' } } as const
    await store.append({
      stream: streamRef(category, tenantId, id),
      expected: 'any',
      events: events.map(({ type, ...data }) => ({ id: derivedId('test', String(++appended)), type, schemaVersion: 1, data, meta })),
    })
  }
  const message = (id: string, conversation: string) =>
    ({
      messageId: id,
      channelId: 'channel',
      contactId: `contact of ${conversation}`,
      messageType: 'text',
      content: { sealed: `sealed ${id}` },
    }) as const
  const inbound = (id: string, conversation: string): DomainEvent => ({
    type: 'MessageReceived',
    ...message(id, conversation),
    providerId: `wamid.${id}`,
    at: '2026-01-01T12:00:00Z',
  })
  const outbound = (id: string, conversation: string, replyTo?: string): DomainEvent => ({
    type: 'MessageQueued',
    ...message(id, conversation),
    sentBy: { kind: 'user', id: 'ana' },
    priority: 'agent',
    ...(replyTo === undefined ? {} : { replyTo: { providerId: replyTo } }),
  })

  beforeAll(async () => {
    home = await freshDatabase()
    pool = createPool({ url: home.url, role: 'recado_worker', max: 10, name: 'worker' })
    ownerPool = createPool({ url: home.url, role: 'owner', max: 2, name: 'owner' })
    apiPool = createPool({ url: home.url, role: 'recado_api', max: 4, name: 'api' })
    queries = tenantQueries(apiPool)
    await prepareReadModels(ownerPool, projections)

    for (const tenantId of [acme, bolt]) {
      // The same ids in both tenants: a query that forgot its tenant would show the neighbour's.
      await given('tenant', tenantId, tenantId, {
        type: 'TenantCreated',
        name: tenantId.slice(-1),
        slug: tenantId.slice(-1),
        plan: 'free',
        locale: 'es',
      })
      await given('tenant', tenantId, tenantId, {
        type: 'ApiKeyIssued',
        keyId: `key-${tenantId}`,
        name: 'n',
        hash: 'h',
        hint: 'i',
        scopes: ['messages:write'],
      })
      const channel = { type: 'ChannelAdded', kind: 'business', phoneNumberId: '1', wabaId: '2', accessToken: { sealed: 't' } } as const
      await given('channel', tenantId, 'channel', { ...channel, name: `channel of ${tenantId}` })
      for (let n = 0; n < 7; n++) {
        const id = `conversation-${n}`
        await given('contact', tenantId, `contact of ${id}`, {
          type: 'ContactCreated',
          source: 'whatsapp',
          name: { sealed: `name ${n} of ${tenantId}` },
        })
        await given('conversation', tenantId, id, {
          type: 'ConversationStarted',
          channelId: n % 2 === 0 ? 'channel' : 'other',
          contactId: `contact of ${id}`,
          by: 'inbound',
        })
        await given('conversation', tenantId, id, inbound(`in-${n}`, id))
      }
      await given('conversation', tenantId, 'conversation-1', { type: 'ConversationRead', throughMessageId: 'in-1', unread: 0 })
      await given('conversation', tenantId, 'conversation-2', { type: 'ConversationResolved' })
    }
    for (let n = 0; n < 5; n++) await given('conversation', acme, 'conversation-0', outbound(`out-${n}`, 'conversation-0', 'wamid.in-0'))
    const hook: DomainEvent = { type: 'WebhookReceived', provider: 'meta', app: 'default', sha256: 'ab', bytes: 1 }
    for (let n = 0; n < 4; n++) await given('delivery', acme, `delivery-${n}`, hook)
    await given('delivery', acme, 'delivery-1', { type: 'DeliveryItemFailed', path: 'entry[0]', error: 'no' })

    const applied = createAppliedPositions({ projections, pool, store })
    for (const projection of projections) {
      const log = pino({ level: 'silent' })
      running.push(runProjection({ projection, store, pool, ownerPool, owner: 'test', signal: stop.signal, log, onApplied: applied.report }))
    }
    const { position } = await store.head()
    expect(
      await applied.waitFor(
        projections.map(({ name }) => name),
        position,
        20_000,
      ),
    ).toBe(true)
    expect((await applied.progress()).map(({ name, state, lagEvents, parked }) => ({ name, state, lagEvents, parked }))).toEqual(
      projections.map(({ name }) => ({ name, state: 'live', lagEvents: 0, parked: 0 })),
    )
    expect(await applied.caughtUp()).toBe(true)
  })
  afterAll(async () => {
    stop.abort()
    await Promise.all(running)
    await Promise.all([pool.end(), ownerPool.end(), apiPool.end()])
    await home.drop()
  })

  const inbox = async (tenantId: string, filter: Partial<ConversationFilter> = {}): Promise<string[]> =>
    (await listConversations(queries, tenantId, { limit: 50, ...filter })).rows.map(({ id }) => id)

  it('list conversations by newest activity, with the contact of the same tenant', async () => {
    expect(await inbox(acme)).toEqual([0, 6, 5, 4, 3, 2, 1].map((n) => `conversation-${n}`))
    expect(await inbox(bolt)).toEqual([6, 5, 4, 3, 2, 1, 0].map((n) => `conversation-${n}`))
    for (const tenantId of [acme, bolt]) {
      expect(await getConversation(queries, tenantId, 'conversation-3')).toMatchObject({ contactName: `name 3 of ${tenantId}`, unreadCount: 1 })
    }
  })

  it('narrow the inbox by state, channel, unread and time', async () => {
    expect(await inbox(acme, { status: 'resolved' })).toEqual(['conversation-2'])
    expect(await inbox(acme, { channelId: 'channel', status: 'open' })).toEqual(['conversation-0', 'conversation-6', 'conversation-4'])
    expect(await inbox(acme, { unread: false })).toEqual(['conversation-1'])
    expect(await inbox(acme, { unread: true, channelId: 'other' })).toEqual(['conversation-5', 'conversation-3'])
    expect(await inbox(acme, { updatedSince: new Date(Date.now() + 60_000) })).toEqual([])
    expect(await inbox(acme, { updatedSince: new Date(Date.now() - 600_000) })).toHaveLength(7)
  })

  it.each([1, 2, 3, 7])('page through the inbox %i at a time without a gap or a repeat, also where moments are equal', async (limit) => {
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await listConversations(queries, acme, { limit, cursor })
      seen.push(...page.rows.map(({ id }) => id))
      cursor = page.nextCursor
    } while (cursor !== undefined)
    expect(seen).toEqual(await inbox(acme))
  })

  it('refuse a cursor that they did not make', async () => {
    for (const cursor of ['', 'x', encodeCursor({ key: 'yesterday', id: 'a' }), Buffer.from('[1,2]').toString('base64url')]) {
      await expect(listConversations(queries, acme, { limit: 1, cursor })).rejects.toBeInstanceOf(BadCursor)
      await expect(listDeliveries(queries, acme, { limit: 1, cursor })).rejects.toBeInstanceOf(BadCursor)
    }
  })

  it('show a thread newest first, and walk it in both directions', async () => {
    const thread = async (filter: { before?: string; after?: string; limit: number }) => {
      const { rows, next } = await listMessages(queries, acme, { conversationId: 'conversation-0', ...filter })
      return [rows.map(({ id }) => id), next]
    }
    expect(await thread({ limit: 50 })).toEqual([['out-4', 'out-3', 'out-2', 'out-1', 'out-0', 'in-0'], undefined])
    expect(await thread({ limit: 2 })).toEqual([['out-4', 'out-3'], 'out-3'])
    expect(await thread({ limit: 2, before: 'out-3' })).toEqual([['out-2', 'out-1'], 'out-1'])
    expect(await thread({ limit: 2, after: 'in-0' })).toEqual([['out-1', 'out-0'], 'out-1'])
    expect(await thread({ limit: 5, after: 'in-0', before: 'out-2' })).toEqual([['out-1', 'out-0'], undefined])
    await expect(thread({ limit: 5, before: 'in-1' })).rejects.toBeInstanceOf(BadCursor)
  })

  it('know which of our messages an answer belongs to', async () => {
    expect(await getMessage(queries, acme, 'out-0')).toMatchObject({ replyTo: 'wamid.in-0', replyToId: 'in-0', sentBy: { kind: 'user', id: 'ana' } })
    expect(await getMessageByProviderId(queries, bolt, 'wamid.in-0')).toMatchObject({ id: 'in-0', statusHistory: [{ status: 'received' }] })
    expect((await getMessages(queries, acme, ['out-1', 'in-1', 'nobody'])).map(({ id }) => id).sort()).toEqual(['in-1', 'out-1'])
  })

  it('call a delivery processed once the intake has passed it, unless something failed', async () => {
    const states = async (): Promise<[string, string][]> => {
      const { rows } = await listDeliveries(queries, acme, { limit: 50 })
      return rows.map(({ id, state }) => [id, state])
    }
    expect(await states()).toEqual([
      ['delivery-3', 'received'],
      ['delivery-2', 'received'],
      ['delivery-1', 'failed'],
      ['delivery-0', 'received'],
    ])
    const { position } = (await getDelivery(queries, acme, 'delivery-2')) ?? {}
    await acquireLease(pool, { name: 'intake', owner: 'test', ttlMs: 60_000 })
    await pool.query(`update es.subscriptions set position = $1 where name = 'intake'`, [position])
    expect(await states()).toEqual([
      ['delivery-3', 'received'],
      ['delivery-2', 'processed'],
      ['delivery-1', 'failed'],
      ['delivery-0', 'processed'],
    ])
    const only = async (state: 'received' | 'processed' | 'failed' | 'parked'): Promise<string[]> =>
      (await listDeliveries(queries, acme, { state, limit: 50 })).rows.map(({ id }) => id)
    expect([await only('received'), await only('processed'), await only('failed'), await only('parked')]).toEqual([
      ['delivery-3'],
      ['delivery-2', 'delivery-0'],
      ['delivery-1'],
      [],
    ])
    const first = await listDeliveries(queries, acme, { limit: 3 })
    expect((await listDeliveries(queries, acme, { limit: 3, cursor: first.nextCursor })).rows.map(({ id }) => id)).toEqual(['delivery-0'])
  })

  it('never show one tenant what belongs to another, not even when it asks by id or as nobody', async () => {
    expect(await getDelivery(queries, bolt, 'delivery-0')).toBeUndefined()
    expect(await getMessage(queries, bolt, 'out-0')).toBeUndefined()
    expect(await getApiKey(queries, bolt, `key-${acme}`)).toBeUndefined()
    expect((await listApiKeys(queries, acme, { limit: 5 })).rows.map(({ id }) => id)).toEqual([`key-${acme}`])
    expect((await listChannels(queries, acme, { limit: 5 })).rows).toMatchObject([{ name: `channel of ${acme}` }])
    expect(await getChannel(queries, large, 'channel')).toBeUndefined()
    expect((await listContacts(queries, bolt, { limit: 3 })).rows.map(({ name }) => name)).toEqual([6, 5, 4].map((n) => `name ${n} of ${bolt}`))
    expect(await getContact(queries, acme, 'contact of conversation-1')).toMatchObject({ name: `name 1 of ${acme}`, identities: [] })
    expect(await getTenant(queries, acme)).toMatchObject({ id: acme, slug: 'a', settings: {} })
    // A statement that names another tenant than the one whose wall it runs behind finds nothing.
    expect(await queries.run(acme, conversationsQuery(bolt, { limit: 5 }))).toEqual([])
    for (const projection of ['conversations', 'messages', 'contacts', 'channels', 'deliveries', 'tenants']) {
      expect((await apiPool.query(`select id from rm_${projection}.${projection}`)).rows).toEqual([])
    }
  })

  it('find the files of one person, and none that came after a moment', async () => {
    const told = { messageId: 'm', conversationId: 'c', channelId: 'channel', providerId: '9', kind: 'image', announcedAt: '2026-01-01T12:00:00Z' }
    const stored = { type: 'MediaStored', storageKey: 'a/b/file', mimeType: 'image/jpeg', size: 1, sha256: 'aa' } as const
    for (const [tenantId, contactId] of [
      [acme, 'ana'],
      [acme, 'berta'],
      [bolt, 'ana'],
    ] as const)
      await given('media', tenantId, `of ${contactId}`, { type: 'MediaAnnounced', ...told, contactId }, stored)
    await given('media', acme, 'pending of ana', { type: 'MediaAnnounced', ...told, contactId: 'ana' })
    await given('media', acme, 'ours', stored)
    const files = async (of: Parameters<typeof storedFilesOf>[1], before: Date) => storedFilesOf(operatorQueries(pool), of, before)
    const later = new Date(Date.now() + 3_600_000)
    await expect.poll(async () => files({ tenantId: acme, mediaId: 'ours' }, later)).toEqual(['ours'])
    expect(await files({ tenantId: acme, contactId: 'ana' }, later)).toEqual(['of ana'])
    expect(await files({ tenantId: acme, contactId: 'ana' }, new Date(began - 1))).toEqual([])
    expect(await files({ tenantId: acme, mediaId: 'of ana' }, later)).toEqual([])
  })

  it('list all tenants for the operator', async () => {
    const first = await listTenants(operatorQueries(pool), { limit: 1 })
    const second = await listTenants(operatorQueries(pool), { limit: 1, cursor: first.nextCursor })
    expect([...first.rows, ...second.rows].map(({ id }) => id).sort()).toEqual([acme, bolt])
    expect(second.nextCursor).toBeUndefined()
  })

  describe('over 100,000 conversations and messages of one tenant', () => {
    beforeAll(async () => {
      await ownerPool.query(`
        insert into rm_conversations.conversations (tenant_id, id, last_message_provider_id, channel_id, contact_id, status, unread_count, last_activity_at, created_at, updated_at, changed_hour, version)
        select '${large}', 'c' || n, 'w' || n, case when n % 2000 = 7 then 'quiet' else 'channel' end, 'k' || n,
          case when n % 50 = 0 then 'open' else 'resolved' end, (n % 100 = 0)::int, at, at, changed, floor(extract(epoch from changed) / 3600), 1
        from generate_series(1, 100000) n, lateral (select timestamptz '2026-01-01' + (n * 7919 % 100000) * interval '1 second' as at) t,
          lateral (select case when n % 2000 = 9 then timestamptz '2026-01-20T10:20:00Z' else at end as changed) u;
        insert into rm_deliveries.deliveries (tenant_id, id, state, provider, app, sha256, bytes, phone_number_ids, waba_ids, failures, replays, received_at, updated_at, position, version)
        select '${large}', 'd' || n, 'received', 'meta', 'default', 'x', 1, '[]', '[]', '[]', 0, now(), now(), n, 1 from generate_series(1, 100000) n;
        insert into rm_contacts.contacts (tenant_id, id, identities, source, created_at, updated_at, version)
        select '${large}', 'k' || n, '[]', 'test', now(), now(), 1 from generate_series(1, 100000) n;
        insert into rm_messages.messages (tenant_id, id, provider_id, conversation_id, channel_id, contact_id, direction, type, status, event_id, content, status_history, occurred_at, recorded_at, thread_at, position, version)
        select '${large}', 'm' || n, 'w' || n, 'c' || (n % 200), 'channel', 'k', 'inbound', 'text', 'received', gen_random_uuid(), repeat('x', 300), '[]', at, at, at, n, 1
        from generate_series(1, 100000) n, lateral (select timestamptz '2026-01-01' + n / 3 * interval '1 second' as at) t;
        insert into rm_message_changes.message_changes (tenant_id, id, channel_id, target_id, reactions, revoked_at, changed_version)
        select '${large}', 'channel/w' || n, 'channel', 'w' || n, '[]', now(), 1 from generate_series(1, 100000) n;`)
      await ownerPool.query(
        'analyze rm_conversations.conversations, rm_contacts.contacts, rm_messages.messages, rm_message_changes.message_changes, rm_deliveries.deliveries',
      )
    })

    /** The plan as the API's role gets it, behind the tenant's wall: nodes with how many rows each really touched. */
    async function planOf(query: CompiledQuery): Promise<{ text: string; touched: number }> {
      const rows = await inTenant<{ 'QUERY PLAN': string }>(
        apiPool,
        large,
        `explain (analyze, costs off, timing off, summary off) ${query.sql}`,
        query.parameters,
      )
      const text = rows.map((row) => row['QUERY PLAN']).join('\n')
      const removed = [...text.matchAll(/Rows Removed by (?:Filter|Join Filter): (\d+)/g)].map(([, n]) => Number(n))
      const actual = [...text.matchAll(/actual rows=([\d.]+) loops=(\d+)/g)].map(([, n, loops]) => Number(n) * Number(loops))
      return { text, touched: Math.max(...removed, ...actual, 0) }
    }

    it.each<[string, Partial<ConversationFilter>]>([
      ['the first page of the inbox', {}],
      ['a later page', { cursor: encodeCursor({ key: '2026-01-01T12:00:00.000Z', id: 'c5' }) }],
      ['the open ones', { status: 'open' }],
      ['the unread ones', { unread: true }],
      ['those of a quiet channel', { channelId: 'quiet' }],
    ])('read %s from an index, and no more rows than are shown', async (_what, filter) => {
      const { text, touched } = await planOf(conversationsQuery(large, { limit: 50, ...filter }))
      expect(text).toMatch(/Index Scan/)
      expect(text).not.toMatch(/Seq Scan|Sort/)
      expect(touched).toBeLessThanOrEqual(60)
    })

    it('read what changed of late without looking at what did not, however long ago somebody wrote in it', async () => {
      const updatedSince = new Date('2026-01-20T10:10:00Z')
      expect((await listConversations(queries, large, { limit: 60, updatedSince })).rows).toHaveLength(50)
      expect((await listConversations(queries, large, { limit: 60, updatedSince: new Date('2026-01-20T10:30:00Z') })).rows).toEqual([])
      const { text, touched } = await planOf(conversationsQuery(large, { limit: 50, updatedSince }))
      expect(text).toMatch(/by_change/)
      expect(touched).toBeLessThanOrEqual(60)
    })

    it('find the deliveries that wait without looking at those that were worked through', async () => {
      await pool.query(
        `insert into es.subscriptions (name, position) values ('intake', 99990) on conflict (name) do update set position = excluded.position`,
      )
      const waiting = async () => (await listDeliveries(queries, large, { state: 'received', limit: 50 })).rows.map(({ id }) => id)
      expect(await waiting()).toEqual(Array.from({ length: 10 }, (_, nth) => `d${100_000 - nth}`))
      expect((await planOf(deliveriesQuery(large, { state: 'received', limit: 50 }))).touched).toBeLessThanOrEqual(60)
      await pool.query(`insert into work.postponed_deliveries (tenant_id, delivery_id, position) values ($1, 'd99980', 99980)`, [large])
      expect((await waiting()).at(-1)).toBe('d99980')
      expect((await planOf(deliveriesQuery(large, { state: 'received', limit: 50 }))).touched).toBeLessThanOrEqual(60)
    })

    it('find the snoozes that are over without looking at any other conversation', async () => {
      await pool.query(
        `update rm_conversations.conversations set status = 'snoozed', snoozed_until = '2026-01-01' where tenant_id = $1 and id in ('c1', 'c2')`,
        [large],
      )
      expect((await dueSnoozes(operatorQueries(pool), new Date('2026-02-01'))).map(({ conversationId }) => conversationId).sort()).toEqual([
        'c1',
        'c2',
      ])
      const { rows } = await pool.query<{ 'QUERY PLAN': string }>(
        `explain (costs off) select tenant_id, id from rm_conversations.conversations where status = $1 and snoozed_until <= now() order by snoozed_until limit 100`,
        ['snoozed'],
      )
      expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toMatch(/Index Scan using snoozed/)
    })

    const middle = { threadAt: new Date('2026-01-01T04:37:46Z'), position: '50000' }
    it.each([
      ['the newest page of a thread', {}],
      ['an older page', { before: middle }],
      ['what came since', { after: middle }],
    ])('read %s from an index, and no more rows than are shown', async (_what, ends) => {
      const { text, touched } = await planOf(threadQuery(large, { conversationId: 'c7', limit: 50, ...ends }))
      expect(text).toMatch(/Index Scan (?:Backward )?using thread/)
      expect(text).not.toMatch(/Seq Scan|Sort/)
      expect(touched).toBeLessThanOrEqual(60)
      // What happened to them is looked up one by one: a hash over the changes of a tenant would read them all for a page.
      expect(text).toMatch(/Index Scan using by_target/)
    })
  })
})
