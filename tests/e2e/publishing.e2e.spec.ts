import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPostgresEventStore } from '../../src/adapters/event-store/postgres/event-store.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { sharedKafka } from '../support/kafka/kafka-server.ts'
import { readTopic, type TopicRecord } from '../support/kafka/read-topic.ts'
import { auditTopic } from '../support/kafka/topic-audit.ts'
import { startRecado, type RunningRecado } from '../support/processes.ts'

const shared = await sharedKafka()
const brokers = shared?.brokers ?? []

describe.skipIf(shared === undefined)('an installation that publishes', () => {
  const prefix = `e2e-${randomUUID()}`
  const dataDir = mkdtempSync(join(tmpdir(), 'recado-publishing-'))
  let db: TestDatabase
  let pool: Pool
  let recado: RunningRecado
  beforeAll(async () => {
    db = await freshDatabase()
    pool = createPool({ url: db.url, role: 'recado_worker', max: 4, name: 'e2e' })
    recado = await startRecado({
      env: {
        DATABASE_URL: db.url,
        RECADO_DATA_DIR: dataDir,
        RECADO_DEMO: '1',
        LOG_LEVEL: 'warn',
        KAFKA_BROKERS: brokers.join(','),
        KAFKA_TOPIC_PREFIX: prefix,
        KAFKA_PARTITIONS: '4',
      },
    })
  })
  afterAll(async () => {
    await recado.stop()
    await pool.end()
    await db.drop()
    rmSync(dataDir, { recursive: true, force: true })
  })

  const metrics = async (): Promise<string> => (await fetch(`${recado.url}/metrics`)).text()
  const lag = async (topic: string): Promise<number> =>
    Number(new RegExp(`^recado_publish_lag_events\\{topic="${prefix}\\.${topic}"\\} (\\S+)$`, 'm').exec(await metrics())?.[1] ?? Number.NaN)
  const lastOfEach = (records: readonly TopicRecord[]): Map<string, TopicRecord> => new Map(records.map((record) => [record.key, record]))

  it('has the whole log and the present conversations and contacts in Kafka, and nothing that a customer wrote in the clear', async () => {
    const { api_key: key } = (await (await fetch(`${recado.url}/demo/session`)).json()) as { api_key: string }
    const call = async (method: string, path: string, body?: unknown): Promise<Record<string, unknown>> => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
      const answer = await fetch(`${recado.url}${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
      return (await answer.json()) as Record<string, unknown>
    }
    await fetch(`${recado.url}/simulator/_sim/customers/+5491155550199/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ phone_number_id: '100000000000001', type: 'text', text: { body: 'Busco un departamento en Palermo' } }),
    })
    const conversations = async () => (await call('GET', '/v1/conversations'))['data'] as { id: string; last_message?: { status?: string } }[]
    await expect.poll(async () => (await conversations()).length).toBeGreaterThan(0)
    const [conversation] = await conversations()
    await call('POST', `/v1/conversations/${conversation?.id}/messages`, { text: 'Tengo tres para mostrarle' })
    await expect.poll(async () => (await conversations())[0]?.last_message?.status).toBe('read')
    for (const topic of ['events', 'conversations', 'contacts']) await expect.poll(async () => lag(topic)).toBe(0)
    expect(await recado.stop()).toBe(0)

    const store = createPostgresEventStore({ pool, listenUrl: db.url })
    const { events, published, ...faults } = await auditTopic(store, brokers, `${prefix}.events`)
    await store.close()
    expect(published).toBe(events)
    expect(faults).toEqual({ missing: 0, doubled: 0, strange: 0, disorderedStreams: 0, changed: 0 })

    const everything = await Promise.all(['events', 'conversations', 'contacts'].map(async (topic) => readTopic(brokers, `${prefix}.${topic}`)))
    expect(JSON.stringify(everything, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))).not.toMatch(
      /Palermo|mostrarle|5491155550199/,
    )
    for (const [at, table] of [
      [1, 'conversations'],
      [2, 'contacts'],
    ] as const) {
      const { rows } = await pool.query<{ key: string; version: number }>(`select tenant_id || '/' || id as key, version from rm_${table}.${table}`)
      expect(rows.length).toBeGreaterThan(0)
      const said = lastOfEach(everything[at] ?? [])
      const versions = rows.map((row) => (JSON.parse(said.get(row.key)?.value ?? '{}') as { version?: number }).version)
      expect(versions).toEqual(rows.map(({ version }) => version))
    }
    expect(recado.lines.filter((line) => /kafka/i.test(line))).toEqual([])
  })

  it('does its work just the same where no broker answers, and says so once', async () => {
    recado = await startRecado({
      env: {
        DATABASE_URL: db.url,
        RECADO_DATA_DIR: dataDir,
        RECADO_DEMO: '1',
        LOG_LEVEL: 'warn',
        KAFKA_BROKERS: '127.0.0.1:1',
        KAFKA_TOPIC_PREFIX: prefix,
      },
    })
    const sent = await fetch(`${recado.url}/simulator/_sim/customers/+5491155550188/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ phone_number_id: '100000000000001', type: 'text', text: { body: '¿Hay alguien?' } }),
    })
    expect(sent.status).toBe(200)
    await expect.poll(async () => lag('events')).toBeGreaterThan(0)
    await expect.poll(async () => /recado_publish_errors_total\{[^}]*events[^}]*\} ([3-9]|\d\d)/.test(await metrics())).toBe(true)
    const said = recado.lines.filter((line) => line.includes('Kafka cannot be written to'))
    expect(new Set(said.map((line) => (JSON.parse(line) as { topic: string }).topic)).size).toBe(said.length)
    expect(await recado.stop()).toBe(0)
  })
})
