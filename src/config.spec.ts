import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { renderConfigReference, renderEnvExample } from './config-reference.ts'
import { ConfigMistakes, environment, readConfig } from './config.ts'

const key = Buffer.alloc(32, 7).toString('base64')

function mistakes(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env)
    return []
  } catch (error) {
    if (error instanceof ConfigMistakes) return error.mistakes
    throw error
  }
}

describe('the configuration', () => {
  it('of a bare machine is a demo on this machine only, with the embedded database', () => {
    expect(readConfig({})).toEqual({
      production: false,
      http: { host: '127.0.0.1', port: 8080, publicUrl: 'http://localhost:8080', trustedProxies: 0 },
      database: { url: undefined },
      eventStore: 'postgres',
      eventStoreDb: undefined,
      dataDir: resolve('data'),
      meta: { appSecrets: [], verifyToken: undefined, graphUrl: undefined, graphVersion: 'v26.0' },
      given: { masterKey: undefined, operatorKey: undefined },
      media: { store: { kind: 'file', directory: resolve('data/media') }, ffmpeg: 'ffmpeg' },
      kafka: undefined,
      projectionSource: 'store',
      roles: ['api', 'worker', 'lite'],
      drainSeconds: 0,
      demo: true,
      log: { level: 'info', pretty: false },
    })
  })

  it('feeds read models from Kafka only where there is one', () => {
    expect(readConfig({ PROJECTION_SOURCE: 'kafka', KAFKA_BROKERS: 'a:9092' }).projectionSource).toBe('kafka')
    expect(mistakes({ PROJECTION_SOURCE: 'kafka' })).toEqual(['KAFKA_BROKERS is required with PROJECTION_SOURCE=kafka'])
  })

  it('takes an empty value for none', () => {
    expect(readConfig({ PORT: '', DATABASE_URL: ' ', META_APP_SECRET: '', RECADO_MASTER_KEY: '', KAFKA_BROKERS: '' })).toEqual(readConfig({}))
  })

  it('tells every mistake on a line of its own, and never repeats a value', () => {
    const wrong = {
      PORT: '70000',
      DATABASE_URL: 'mysql://secret@host/db',
      RECADO_MASTER_KEY: 'c2VjcmV0',
      RECADO_OPERATOR_KEY: 'short-secret',
      RECADO_ROLES: 'api,cook',
      RECADO_DEMO: 'yes',
      EVENT_STORE: 'mysql',
      EVENTSTOREDB_URL: 'https://admin:secret@host',
      KAFKA_BROKERS: 'secret',
      KAFKA_SASL_USER: 'secret',
    }
    const lines = mistakes(wrong)
    expect(new Set(lines.map((line) => line.split(' ')[0]))).toEqual(new Set(Object.keys(wrong)))
    expect(lines).toHaveLength(Object.keys(wrong).length)
    expect(lines.filter((line) => line.includes('\n') || /secret|c2VjcmV0|70000/.test(line))).toEqual([])
  })

  it('keeps the log in EventStoreDB when it is told which one', () => {
    const url = 'esdb+discover://admin:secret@a:2113,b:2113,c:2113?tls=true'
    expect(readConfig({ EVENT_STORE: 'eventstoredb', EVENTSTOREDB_URL: url })).toMatchObject({ eventStore: 'eventstoredb', eventStoreDb: { url } })
    expect(readConfig({ EVENTSTOREDB_URL: 'esdb://localhost:2113?tls=false' })).toMatchObject({ eventStore: 'postgres' })
    expect(readConfig({ EVENTSTOREDB_URL: 'esdb://localhost:2113/acme?tls=false' })).toMatchObject({ eventStore: 'postgres' })
    expect(mistakes({ EVENTSTOREDB_URL: 'esdb://localhost:2113/a/b' })).toHaveLength(1)
    expect(mistakes({ EVENT_STORE: 'eventstoredb' })).toEqual(['EVENTSTOREDB_URL is required with EVENT_STORE=eventstoredb'])
    expect(mistakes({ EVENTSTOREDB_URL: 'kurrentdb://me:secret@host' })).toEqual([
      expect.stringMatching(/^EVENTSTOREDB_URL .*write esdb for kurrentdb/),
    ])
  })

  it('takes several app secrets while one is being rotated', () => {
    expect(readConfig({ META_APP_SECRET: 'new, old,' }).meta.appSecrets).toEqual(['new', 'old'])
  })

  it('publishes where brokers are named, signed in when it is told as whom', () => {
    const plain = { topicPrefix: 'recado', partitions: 12, tls: false, sasl: undefined }
    expect(readConfig({ KAFKA_BROKERS: 'a:9092, [::1]:9093' }).kafka).toEqual({ brokers: ['a:9092', '[::1]:9093'], ...plain })
    const signedIn = readConfig({ KAFKA_BROKERS: 'a:9092', KAFKA_TLS: '1', KAFKA_SASL_USER: 'me', KAFKA_SASL_PASSWORD: 'secret' }).kafka
    expect(signedIn).toMatchObject({ tls: true, sasl: { mechanism: 'scram-sha-512', username: 'me', password: 'secret' } })
  })

  it.each([
    ['META_APP_SECRET', 'x'],
    ['META_VERIFY_TOKEN', 'x'],
    ['META_GRAPH_URL', 'http://localhost:1'],
  ])('is no demo once %s is set, unless the demo is asked for', (name, value) => {
    expect(readConfig({ [name]: value }).demo).toBe(false)
    expect(readConfig({ [name]: value, RECADO_DEMO: '1' }).demo).toBe(true)
    expect(readConfig({ RECADO_DEMO: '0' }).demo).toBe(false)
  })

  it('of production wants the master key, listens everywhere and is no demo', () => {
    expect(mistakes({ NODE_ENV: 'production' })).toEqual([expect.stringMatching(/^RECADO_MASTER_KEY is required in production/)])
    const config = readConfig({ NODE_ENV: 'production', RECADO_MASTER_KEY: key })
    expect([config.http.host, config.demo, config.given.masterKey?.length]).toEqual(['0.0.0.0', false, 32])
  })

  it.each(['prod', 'Production', 'staging', 'true'])('does not take NODE_ENV=%s quietly for development', (text) => {
    expect(mistakes({ NODE_ENV: text })).toEqual([expect.stringMatching(/^NODE_ENV must be production, development or test/)])
  })
  it.each([undefined, '', 'development', 'test'])('with NODE_ENV=%s is one of development', (text) => {
    expect(readConfig({ NODE_ENV: text }).production).toBe(false)
  })

  it.each([['too short'], [key.slice(0, -1)], [Buffer.alloc(31).toString('base64')], [`${key}AA`]])('does not take %j for a master key', (text) => {
    expect(mistakes({ RECADO_MASTER_KEY: text })).toEqual([expect.stringMatching(/^RECADO_MASTER_KEY must be 32 bytes/)])
  })

  it('makes links without a slash twice', () => {
    expect(readConfig({ PUBLIC_URL: 'https://recado.example.com/' }).http.publicUrl).toBe('https://recado.example.com')
  })
})

describe('the configuration reference', () => {
  it('is the page in the repository', () => {
    expect(readFileSync('docs/reference/configuration.md', 'utf8')).toBe(renderConfigReference())
    expect(readFileSync('.env.example', 'utf8')).toBe(renderEnvExample())
  })

  it('says of every variable what it takes and what it means', () => {
    for (const [name, schema] of Object.entries(environment.shape)) {
      expect(schema.meta(), name).toMatchObject({ takes: expect.stringMatching(/./) as string, says: expect.stringMatching(/\.$/) as string })
    }
  })
})
