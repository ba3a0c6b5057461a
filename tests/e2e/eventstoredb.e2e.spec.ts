import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { eventStoreDbServer, through, type EventStoreDbServer } from '../support/eventstoredb-server.ts'
import { startFaultRelay, type FaultRelay } from '../support/fault-relay.ts'
import { auditOf } from '../support/log-audit.ts'
import { runRecado, startRecado, type RunningRecado } from '../support/processes.ts'

type Json = Record<string, unknown>
type Reply = { readonly status: number; readonly json: Json; readonly text: string; readonly position: string; readonly retryAfter: string | null }

const customer = '+5491155550123'
const operatorKey = 'operator-key-of-the-eventstoredb-test'

describe('the program with its log on EventStoreDB', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'recado-eventstoredb-'))
  let server: EventStoreDbServer
  let relay: FaultRelay
  let db: TestDatabase
  let env: Record<string, string>
  let recado: RunningRecado
  let key: string

  beforeAll(async () => {
    server = await eventStoreDbServer()
    const there = new URL(server.url.replace(/^esdb(\+discover)?:/, 'http:'))
    relay = await startFaultRelay({ target: { host: there.hostname, port: Number(there.port === '' ? 2113 : there.port) } })
    // A relay stands in front of one named node: a cluster found by its gossip, or one behind TLS, is asked as it is.
    const plain = server.url.startsWith('esdb:') && server.url.includes('tls=false')
    db = await freshDatabase()
    env = {
      DATABASE_URL: db.url,
      RECADO_DATA_DIR: dataDir,
      RECADO_DEMO: '1',
      RECADO_OPERATOR_KEY: operatorKey,
      LOG_LEVEL: 'warn',
      EVENT_STORE: 'eventstoredb',
      EVENTSTOREDB_URL: plain ? through(server.url, relay.address) : server.url,
    }
    recado = await startRecado({ env })
    key = ((await (await fetch(`${recado.url}/demo/session`)).json()) as { api_key: string }).api_key
  })
  afterAll(async () => {
    await recado.stop()
    await relay.close()
    await db.drop()
    await server.stop()
    rmSync(dataDir, { recursive: true, force: true })
  })

  async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Reply> {
    const response = await fetch(`${recado.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const json = (/^application\/(problem\+)?json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : {}) as Json
    return {
      status: response.status,
      json,
      text,
      position: response.headers.get('x-position') ?? '',
      retryAfter: response.headers.get('retry-after'),
    }
  }
  const list = async (path: string): Promise<Json[]> => (await call('GET', path)).json['data'] as Json[]
  const at =
    (path: string, ...names: string[]) =>
    (json: Json) =>
      names.reduce<unknown>((value, name) => (value as Json | undefined)?.[name], json[path])

  /** On the simulated phone: through the simulator's signed webhook, as everything of a customer comes. */
  async function customerWrites(text: string): Promise<void> {
    const sent = await fetch(`${recado.url}/simulator/_sim/customers/${customer}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ phone_number_id: '100000000000001', type: 'text', text: { body: text } }),
    })
    expect(sent.status).toBe(200)
  }

  function listen(after?: string): { readonly frames: Json[]; readonly close: () => void } {
    const socket = new WebSocket(`${recado.url.replace('http', 'ws')}/v1/feed`)
    const frames: Json[] = []
    socket.on('open', () => socket.send(JSON.stringify({ type: 'auth', token: key, ...(after === undefined ? {} : { after }) })))
    socket.on('message', (data) => frames.push(JSON.parse((data as Buffer).toString()) as Json))
    return { frames, close: () => socket.close() }
  }

  const tell: { conversationId: string; messageId: string; hello: string; answered: string } = {
    conversationId: '',
    messageId: '',
    hello: '',
    answered: '',
  }

  it('says where the log is', async () => {
    expect((await call('GET', '/healthz')).json).toMatchObject({ status: 'ok', event_store: 'EventStoreDB' })
    expect((await call('GET', '/readyz')).json).toMatchObject({ status: 'ready', checks: { store: 'ok', index: 'ok' } })
    expect((await call('GET', '/metrics')).text).toContain('recado_log_up{engine="EventStoreDB"} 1')
  })

  it('takes a customer’s message, answers it, and tells every step on the feed and to who comes back to it', async () => {
    const feed = listen()
    await expect.poll(() => feed.frames.map(({ type }) => type)).toContain('hello')
    await customerWrites('Hola, ¿sigue disponible?')
    await expect.poll(async () => (await list('/v1/conversations')).length).toBe(1)
    const [conversation] = await list('/v1/conversations')
    tell.conversationId = String(conversation?.['id'])
    await expect.poll(() => feed.frames.map(({ type }) => type)).toContain('message.received')
    tell.hello = String(feed.frames.find(({ type }) => type === 'message.received')?.['position'])
    const sent = await call('POST', `/v1/conversations/${tell.conversationId}/messages`, { type: 'text', text: { body: 'Sí, ¿querés verlo?' } })
    expect(sent.status).toBe(202)
    tell.messageId = String(at('message', 'id')(sent.json) ?? sent.json['id'])
    tell.answered = sent.position
    // Read-your-writes: whoever shows the position of the answer sees it.
    const own = await call('GET', `/v1/messages/${tell.messageId}`, undefined, { 'x-read-after': sent.position })
    expect(own.status).toBe(200)
    const statuses = (): unknown[] => feed.frames.filter(({ type }) => type === 'message.status').map(({ data }) => (data as Json)['status'])
    await expect.poll(statuses).toContain('read')
    // `sent` is our own record and the provider's report.
    expect([...new Set(statuses())]).toEqual(['sending', 'sent', 'delivered', 'read'])
    const positions = feed.frames.flatMap(({ id, position }) => (id === undefined ? [] : [String(position)]))
    expect(positions).toEqual(positions.toSorted())
    feed.close()
    // Who was away since the customer's message gets the rest of it, each frame once and as before.
    const back = listen(tell.hello)
    const ids = (frames: readonly Json[]): unknown[] =>
      frames.flatMap(({ id, position }) => (id === undefined || String(position) <= tell.hello ? [] : [id]))
    await expect.poll(() => ids(back.frames).length).toBe(ids(feed.frames).length)
    expect(ids(back.frames)).toEqual(ids(feed.frames))
    back.close()
  })

  it('shows the past: one conversation, the list, and what changed, by position and by moment', async () => {
    const path = `/v1/conversations/${tell.conversationId}`
    const then = await call('GET', `${path}/messages?as_of=${tell.hello}`)
    expect((then.json['data'] as Json[]).map(({ direction }) => direction)).toEqual(['inbound'])
    expect(await list(`${path}/messages`)).toHaveLength(2)
    await expect
      .poll(async () => {
        const { status, json } = await call('GET', `/v1/conversations?as_of=${tell.hello}`)
        return status === 200 ? (json['data'] as Json[]).map(({ id }) => id) : status
      })
      .toEqual([tell.conversationId])
    const [first] = await list('/v1/events?limit=1')
    const before = new Date(Date.parse(String(first?.['recorded_at'])) - 1_000).toISOString()
    expect((await call('GET', `${path}?as_of=${before}`)).status).toBe(404)
    const diff = await call('GET', `${path}/diff?from=${tell.hello}`)
    expect(diff.status).toBe(200)
    expect(JSON.stringify(diff.json)).toContain('last_message')
  })

  it('rebuilds read models from it that are what they were, for everybody and for one organisation', async () => {
    const shown = async (): Promise<string> =>
      JSON.stringify([await list('/v1/conversations'), await list(`/v1/conversations/${tell.conversationId}/messages`), await list('/v1/audit')])
    const was = await shown()
    const operator = { authorization: `Bearer ${operatorKey}` }
    const tenants = (await call('GET', '/v1/tenants', undefined, operator)).json['data'] as Json[]
    for (const body of [{ with: ['messages', 'audit'] }, { with: ['messages'], tenant_id: tenants[0]?.['id'] }]) {
      const asked = await call('POST', '/v1/projections/conversations/rebuild', body, operator)
      expect(asked.status).toBe(202)
      const rebuild = async (): Promise<Json> => (await call('GET', `/v1/rebuilds/${String(asked.json['rebuild_id'])}`, undefined, operator)).json
      await expect.poll(async () => (await rebuild())['state']).toBe('live')
      const { events_done: done, events_total: total } = await rebuild()
      expect(total).toBeGreaterThan(0)
      expect(done).toBeLessThanOrEqual(total as number)
      expect(await shown()).toBe(was)
    }
  })

  it('lists and exports an organisation’s events, traces them, and replays a delivery without doing anything twice', async () => {
    const events = await list('/v1/events?limit=200')
    expect(events.map(({ position }) => String(position))).toEqual(events.map(({ position }) => String(position)).toSorted())
    const exported = await call('GET', '/v1/events/export?format=ndjson')
    const lines = exported.text.trim().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as Json)['id'])).toEqual(expect.arrayContaining(events.map(({ id }) => id)))
    const file = join(dataDir, 'events.ndjson')
    const { code } = await runRecado(['export', 'events', '--format', 'ndjson', '--out', file, '--tenant', 'demo'], env)
    expect(code).toBe(0)
    const written = readFileSync(file, 'utf8').trim().split('\n')
    expect(written.map((line) => (JSON.parse(line) as Json)['id']).slice(0, events.length)).toEqual(events.map(({ id }) => id))
    const received = events.find(({ type }) => type === 'MessageReceived')
    const trace = await call('GET', `/v1/events/${String(received?.['id'])}/trace`)
    expect(trace.text).toContain('WebhookReceived')

    const [delivery] = await list('/v1/deliveries?state=processed')
    const path = `/v1/deliveries/${String(delivery?.['id'])}`
    expect((await call('GET', path)).json['raw']).toContain('whatsapp_business_account')
    const before = (await list('/v1/events?limit=200')).length
    expect((await call('POST', `${path}/replay`, { dry_run: true })).json).toMatchObject({ dry_run: true, failed: 0 })
    expect((await call('POST', `${path}/replay`)).json).toMatchObject({ dry_run: false, failed: 0 })
    expect((await list('/v1/events?limit=200')).slice(before).map(({ type }) => type)).toEqual(['DeliveryReplayed'])
  })

  it('shows one organisation nothing of another one', async () => {
    const operator = { authorization: `Bearer ${operatorKey}` }
    const other = await call('POST', '/v1/tenants', { name: 'Otra', slug: 'otra' }, operator)
    expect(other.status).toBe(201)
    const theirs = { authorization: `Bearer ${String(at('api_key', 'key')(other.json))}`, 'x-read-after': other.position }
    const own = (await call('GET', '/v1/events?limit=200', undefined, theirs)).json['data'] as Json[]
    expect(own.map(({ type }) => type)).toContain('TenantCreated')
    const ours = new Set((await list('/v1/events?limit=200')).map(({ id }) => id))
    expect(own.filter(({ id }) => ours.has(id))).toEqual([])
    for (const path of [`/v1/conversations/${tell.conversationId}/timeline`, `/v1/conversations/${tell.conversationId}?as_of=${tell.answered}`])
      expect((await call('GET', path, undefined, theirs)).status).toBe(404)
    expect((await call('GET', `/v1/events?stream=conversation-${tell.conversationId}`, undefined, theirs)).text).not.toContain('MessageReceived')
  })

  it('follows it with a projection of one’s own in TypeScript, and says that a SELECT needs the log in PostgreSQL', async () => {
    const select = join(dataDir, 'counted.sql')
    writeFileSync(
      select,
      '-- key: day\n-- add: events\nselect tenant_id, date(recorded_at) as day, count(*) as events from log.events group by 1, 2\n',
    )
    const refused = await runRecado(['projections', 'run', select], env)
    expect(refused.code).not.toBe(0)
    expect(refused.lines.join('\n')).toContain('the log is on EventStoreDB')
    expect(refused.lines.join('\n')).not.toContain('at ')
  })

  it('answers 503 while the server is away, says so to probes, and goes on by itself where it was', async () => {
    if (env['EVENTSTOREDB_URL'] === server.url) return
    await relay.down()
    relay.reset()
    await expect.poll(async () => (await call('GET', '/readyz')).json).toMatchObject({ status: 'not_ready', checks: { database: 'ok' } })
    const away = await call('POST', `/v1/conversations/${tell.conversationId}/messages`, { type: 'text', text: { body: '¿Hola?' } })
    expect(away).toMatchObject({ status: 503, json: { code: 'unavailable' } })
    expect(Number(away.retryAfter)).toBeGreaterThan(0)
    expect((await call('GET', '/v1/events?limit=1')).status).toBe(503)
    // Read models are in PostgreSQL.
    expect((await call('GET', '/v1/conversations')).status).toBe(200)
    expect((await call('GET', '/healthz')).status).toBe(200)
    await expect.poll(async () => (await call('GET', '/metrics')).text).toContain('recado_log_up{engine="EventStoreDB"} 0')
    await relay.up()
    await expect.poll(async () => (await call('GET', '/readyz')).status).toBe(200)
    await customerWrites('¿Sigue ahí?')
    await expect.poll(async () => (await list(`/v1/conversations/${tell.conversationId}/messages`)).length).toBe(3)
  })

  it('comes back after kill -9 with the same log, every event once and in order', async () => {
    await recado.kill()
    recado = await startRecado({ env, port: recado.port })
    expect(await list(`/v1/conversations/${tell.conversationId}/messages`)).toHaveLength(3)
    const audit = await auditOf({ ...env, EVENTSTOREDB_URL: server.url })
    expect(audit).toMatchObject({ holes: 0, brokenStreams: 0, eventsTwice: 0, timeTurned: 0 })
    expect(audit.events).toBeGreaterThan(20)
  })
})
