import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPool } from '../../src/postgres/pool.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { ownKafka } from '../support/kafka/kafka-server.ts'
import { startRecado, type RunningRecado } from '../support/processes.ts'

type Json = Record<string, unknown>

const cluster = await ownKafka()
const operatorKey = 'operator-key-of-the-kafka-test'

describe.skipIf(cluster === undefined)('the program with its read models fed by Kafka', () => {
  const prefix = `fed-${randomUUID()}`
  const dataDir = mkdtempSync(join(tmpdir(), 'recado-fed-'))
  let db: TestDatabase
  let pool: Pool
  let env: Record<string, string>
  let recado: RunningRecado
  let key: string

  beforeAll(async () => {
    db = await freshDatabase()
    pool = createPool({ url: db.url, role: 'recado_worker', max: 2, name: 'e2e' })
    env = {
      DATABASE_URL: db.url,
      RECADO_DATA_DIR: dataDir,
      RECADO_DEMO: '1',
      RECADO_OPERATOR_KEY: operatorKey,
      LOG_LEVEL: 'warn',
      KAFKA_BROKERS: cluster?.brokers.join(',') ?? '',
      KAFKA_TOPIC_PREFIX: prefix,
      PROJECTION_SOURCE: 'kafka',
    }
    recado = await startRecado({ env })
    key = ((await (await fetch(`${recado.url}/demo/session`)).json()) as { api_key: string }).api_key
  })
  afterAll(async () => {
    await recado.stop()
    await pool.end()
    await db.drop()
    await cluster?.close()
    rmSync(dataDir, { recursive: true, force: true })
  })

  async function call(method: string, path: string, { body, as = key, after }: { body?: unknown; as?: string; after?: string } = {}) {
    const response = await fetch(`${recado.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${as}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(after === undefined ? {} : { 'x-read-after': after }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, json: (await response.json()) as Json, headers: response.headers }
  }
  const list = async (path: string): Promise<Json[]> => (await call('GET', path)).json['data'] as Json[]
  async function customerWrites(text: string): Promise<void> {
    const sent = await fetch(`${recado.url}/simulator/_sim/customers/+5491155550123/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ phone_number_id: '100000000000001', type: 'text', text: { body: text } }),
    })
    expect(sent.status).toBe(200)
  }
  const conversation = async (): Promise<Json> => {
    await expect.poll(async () => (await list('/v1/conversations')).length).toBeGreaterThan(0)
    return (await list('/v1/conversations'))[0] as Json
  }
  const thread = async (): Promise<Json[]> => list(`/v1/conversations/${String((await conversation())['id'])}/messages?limit=200`)
  const texts = async (): Promise<string[]> => (await thread()).map((message) => JSON.stringify(message))
  const shows = async (text: string): Promise<void> => {
    await expect.poll(async () => (await texts()).filter((one) => one.includes(text)).length).toBe(1)
  }

  it('shows what a customer wrote, sends the answer, and follows it to read', async () => {
    await customerWrites('Busco un departamento en Palermo')
    await shows('Palermo')
    const { id } = await conversation()
    const answered = await call('POST', `/v1/conversations/${String(id)}/messages`, { body: { text: 'Tengo tres para mostrarle' } })
    expect(answered.status).toBe(202)
    await shows('Tengo tres')
    await expect.poll(async () => (await conversation())['last_message']).toMatchObject({ status: 'read' })
  })

  it('shows to whoever wrote what he wrote, when he says how far he has to be able to see', async () => {
    const { id } = await conversation()
    for (const status of ['resolved', 'open']) {
      const changed = await call('POST', `/v1/conversations/${String(id)}/status`, { body: { status } })
      expect(changed.status).toBe(200)
      const read = await call('GET', `/v1/conversations/${String(id)}`, { after: changed.headers.get('x-position') ?? '' })
      expect(read.json['status']).toBe(status)
    }
  })

  it('keeps where it goes on in the topic beside the rows, for every read model, and nothing in Kafka', async () => {
    const { rows } = await pool.query<{ name: string }>(`select name from es.source_places where place like $1`, [`${prefix}.events %`])
    expect(rows.length).toBeGreaterThan(10)
  })

  it('can be rebuilt from the log and goes on from Kafka', async () => {
    const begun = await call('POST', '/v1/projections/messages/rebuild', { as: operatorKey, body: {} })
    expect([200, 202]).toContain(begun.status)
    await customerWrites('¿Sigue disponible?')
    await expect
      .poll(async () => (await pool.query<{ state: string }>('select state from es.rebuilds order by created_at desc limit 1')).rows[0]?.state)
      .toBe('live')
    await shows('Sigue disponible')
    await customerWrites('¿Y con cochera?')
    await shows('cochera')
  })

  it('goes on after it was killed, and after the broker was away', async () => {
    await recado.kill()
    recado = await startRecado({ env, port: recado.port })
    key = ((await (await fetch(`${recado.url}/demo/session`)).json()) as { api_key: string }).api_key
    await customerWrites('Después de una caída')
    await shows('Después de una caída')
    await cluster?.nodes[0]?.kill()
    // Nobody who writes notices: it is the read models that wait.
    await customerWrites('Sin Kafka')
    await cluster?.nodes[0]?.start()
    await cluster?.ready()
    await shows('Sin Kafka')
    await shows('Palermo')
  })
})
