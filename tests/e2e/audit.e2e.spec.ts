import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { startRecado, type RunningRecado } from '../support/processes.ts'

type Json = Record<string, unknown>
type Node = { event: { id: string; type: string; summary: string }; relation?: string; focus?: true; children: Node[] }

const dataDir = mkdtempSync(join(tmpdir(), 'recado-audit-'))
const operatorKey = 'operator-key-of-the-audit-test'
let db: TestDatabase
let recado: RunningRecado
let key: string

async function call(method: string, path: string, { body, token = key, headers = {} }: { body?: unknown; token?: string; headers?: Json } = {}) {
  const response = await fetch(`${recado.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers } as Record<
      string,
      string
    >,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: response.status, json: (await response.json()) as Json, position: response.headers.get('x-position') ?? '' }
}
const list = async (path: string): Promise<Json[]> => (await call('GET', path)).json['data'] as Json[]

beforeAll(async () => {
  db = await freshDatabase()
  recado = await startRecado({
    env: { DATABASE_URL: db.url, RECADO_DATA_DIR: dataDir, RECADO_DEMO: '1', RECADO_OPERATOR_KEY: operatorKey, LOG_LEVEL: 'warn' },
  })
  key = ((await (await fetch(`${recado.url}/demo/session`)).json()) as { api_key: string }).api_key
})
afterAll(async () => {
  await recado.stop()
  await db.drop()
  rmSync(dataDir, { recursive: true, force: true })
})

const flat = (node: Node): Node[] => [node, ...node.children.flatMap(flat)]
const one = (nodes: readonly Node[], type: string): Node => {
  const [found] = nodes.filter(({ event }) => event.type === type)
  if (found === undefined) throw new Error(`no ${type} among ${nodes.map(({ event }) => event.type).join(' ')}`)
  return found
}

describe('the audit trail of an organisation that the operator made', () => {
  it('can be read by it to its beginning, with the address of what the platform did to it', async () => {
    const asOperator = { token: operatorKey }
    const made = (
      await call('POST', '/v1/tenants', { ...asOperator, body: { name: 'Sur', slug: 'sur', admin: { name: 'Eva', email: 'eva@sur.example' } } })
    ).json
    const id = String((made['tenant'] as Json)['id'])
    const mine = { token: (made['api_key'] as { key: string }).key }
    for (const wish of ['suspend', 'resume']) expect((await call('POST', `/v1/tenants/${id}/${wish}`, asOperator)).status).toBe(200)
    await expect
      .poll(async () => {
        const { json } = await call('GET', '/v1/audit', mine)
        return (json['data'] as Json[] | undefined)?.map(({ action, ip }) => [action, ip])
      })
      .toEqual(['tenant.resumed', 'tenant.suspended', 'user.invited', 'api_key.issued', 'tenant.created'].map((action) => [action, '127.0.0.1']))
  })

  it("and that of the platform has no address that is the organisation's to open", async () => {
    const number = { kind: 'business', name: 'Sur', phone_number_id: '771', waba_id: '772', access_token: 'token', verify: false }
    expect((await call('POST', '/v1/channels', { token: operatorKey, headers: { 'x-tenant': 'sur' }, body: number })).status).toBe(201)
    await expect
      .poll(async () => {
        const { json } = await call('GET', '/v1/audit?action=claim.taken&limit=2', { token: operatorKey })
        return (json['data'] as Json[] | undefined)?.map(({ entity, ip }) => [(entity as Json)['id'], ip])
      })
      .toEqual([
        [expect.stringMatching(/771$/), undefined],
        ['slug:sur', '127.0.0.1'],
      ])
  })
})

describe('the trace of a customer and an answer', () => {
  it('goes from the delivery over message, answer and send to what the provider reported in other deliveries', async () => {
    await fetch(`${recado.url}/simulator/_sim/customers/+5491155550123/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ phone_number_id: '100000000000001', type: 'text', text: { body: '¿Sigue disponible?' } }),
    })
    await expect.poll(async () => (await list('/v1/events?type=MessageReceived')).length).toBe(1)
    const [received] = await list('/v1/events?type=MessageReceived')
    const { stream, data } = received as { stream: { id: string }; data: { provider_id: string } }
    const [conversationId, quoted] = [stream.id, data.provider_id]
    await expect.poll(async () => (await list('/v1/conversations')).length).toBe(1)
    const sent = await call('POST', `/v1/conversations/${conversationId}/messages`, {
      body: { type: 'text', text: { body: 'Sí' }, context: { message_id: quoted } },
    })
    expect(sent.status).toBe(202)
    const reports = async (): Promise<Json[]> => list('/v1/events?type=MessageStatusChanged')
    await expect.poll(async () => (await reports()).map(({ data }) => (data as Json)['status'])).toContain('delivered')
    const [report] = await reports()
    const position = (await reports()).at(-1)?.['position']

    const traceOf = async (id: unknown): Promise<Node> =>
      (await call('GET', `/v1/events/${String(id)}/trace`, { headers: { 'x-read-after': position } })).json as unknown as Node
    const root = await traceOf(report?.['id'])
    expect(root.event.type).toBe('WebhookReceived')
    expect(root.relation).toBeUndefined()
    const message = one(root.children, 'MessageReceived')
    expect(message).toMatchObject({ relation: 'caused', event: { summary: expect.stringContaining('sent a message (text)') as string } })
    const answer = one(message.children, 'MessageQueued')
    expect(answer.relation).toBe('answer')
    expect(one(answer.children, 'SendAttempted').relation).toBe('caused')
    const accepted = one(answer.children, 'SendAccepted')
    expect(one(accepted.children, 'MessageStatusChanged').relation).toBe('report')

    const all = flat(root)
    expect(all.filter(({ focus }) => focus === true).map(({ event }) => event.id)).toEqual([report?.['id']])
    expect(new Set(all.map(({ event }) => event.id)).size).toBe(all.length)
    // From wherever one looks, it is the same tree; from the delivery that brought the report, what that one brought.
    expect(flat(await traceOf(received?.['id'])).map(({ event }) => event.id)).toEqual(all.map(({ event }) => event.id))
    const carrier = await traceOf(report?.['causation_id'])
    expect(carrier).toMatchObject({ focus: true, event: { type: 'WebhookReceived' }, children: [{ event: { id: report?.['id'] } }] })
  })

  it('is followed by entries of whoever looked at raw deliveries or came as the operator', async () => {
    const [delivery] = await list('/v1/deliveries')
    const path = `/v1/deliveries/${String(delivery?.['id'])}`
    expect((await call('GET', path)).json['raw']).toContain('whatsapp_business_account')
    const tenant = (await call('GET', '/v1/tenant')).json
    expect((await call('GET', '/v1/conversations', { token: operatorKey, headers: { 'x-tenant': tenant['slug'] } })).status).toBe(200)
    await expect
      .poll(async () => (await list('/v1/audit?action=access.recorded')).map(({ summary }) => summary))
      .toEqual([
        'The platform operator looked into the organisation by GET /v1/conversations',
        expect.stringMatching(/^The API key ".*" read the raw body of a delivery \(delivery [0-9a-f]+\) by GET \/v1\/deliveries\/\{id\}$/),
      ])
    expect((await list(`/v1/audit?entity_type=delivery&entity_id=${String(delivery?.['id'])}`))[0]).toMatchObject({ action: 'access.recorded' })
  })
})
