import { createHmac } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { runRecado, startRecado, type RunningRecado } from '../support/processes.ts'

const operatorKey = 'operator-key-of-the-replay'
const appSecret = 'app-secret-of-the-replay'
const phoneNumberId = '101101101101101'
const stuck = 40

let db: TestDatabase
let recado: RunningRecado | undefined
let key: string
const env = (): Record<string, string> => ({
  DATABASE_URL: db.url,
  RECADO_DEMO: '0',
  RECADO_MASTER_KEY: Buffer.alloc(32, 9).toString('base64'),
  RECADO_OPERATOR_KEY: operatorKey,
  META_APP_SECRET: appSecret,
  META_VERIFY_TOKEN: 'replay',
  META_GRAPH_URL: 'http://127.0.0.1:9',
  LOG_LEVEL: 'error',
})

async function ask(method: string, path: string, token: string, body?: unknown): Promise<Record<string, unknown>> {
  const answer = await fetch(`${recado?.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
  return JSON.parse(text) as Record<string, unknown>
}

/** A delivery of one good message and one that nobody can read. */
async function deliver(nth: number): Promise<void> {
  const from = '34600111222'
  const messages = [
    { from, id: `wamid.good.${nth}`, timestamp: '1700000000', type: 'text', text: { body: `number ${nth}` } },
    { from, timestamp: '1700000000', type: 'text', text: { body: `without an id ${nth}` } },
  ]
  const value = { messaging_product: 'whatsapp', metadata: { phone_number_id: phoneNumberId }, messages }
  const body = JSON.stringify({ object: 'whatsapp_business_account', entry: [{ id: '404', changes: [{ field: 'messages', value }] }] })
  const signature = `sha256=${createHmac('sha256', appSecret).update(body).digest('hex')}`
  const answer = await fetch(`${recado?.url}/webhooks/meta`, { method: 'POST', body, headers: { 'X-Hub-Signature-256': signature } })
  if (answer.status !== 200) throw new Error(`a delivery was answered ${answer.status}`)
}

/** Over the API and not from a table: the log may be on any engine. */
async function eventsOf(type: string): Promise<readonly { stream: { id: string }; correlation_id: string; data: Record<string, unknown> }[]> {
  return (await ask('GET', `/v1/events?type=${type}&limit=200`, key))['data'] as Awaited<ReturnType<typeof eventsOf>>
}
async function replayedTwice(): Promise<readonly string[]> {
  const notes = (await eventsOf('DeliveryReplayed')).map(({ stream, correlation_id }) => `${stream.id} ${correlation_id}`)
  return notes.filter((note, nth) => notes.indexOf(note) !== nth)
}

beforeAll(async () => {
  db = await freshDatabase()
  recado = await startRecado({ env: env() })
  const { api_key } = (await ask('POST', '/v1/tenants', operatorKey, { name: 'Replay', slug: 'replay' })) as { api_key: { key: string } }
  key = api_key.key
  await ask('POST', '/v1/channels', key, {
    kind: 'business',
    name: 'One',
    phone_number_id: phoneNumberId,
    waba_id: '404',
    access_token: 'no-such-token',
    verify: false,
  })
  for (let nth = 0; nth < stuck; nth++) await deliver(nth)
  const failed = async (): Promise<number> => ((await ask('GET', '/v1/deliveries?state=failed&limit=100', key))['data'] as unknown[]).length
  while ((await failed()) < stuck) await sleep(100)
})
afterAll(async () => {
  await recado?.kill()
  await db.drop()
})

describe('a replay of many deliveries', () => {
  it('is finished after the program was killed in the middle of it, each delivery noted once', async () => {
    const { id } = (await ask('POST', '/v1/deliveries/replay', key, { rate_per_second: 40 })) as { id: string }
    for (let kills = 0; kills < 3; kills++) {
      const before = Number((await ask('GET', `/v1/replays/${id}`, key))['matched'])
      await expect.poll(async () => Number((await ask('GET', `/v1/replays/${id}`, key))['matched']), { timeout: 20_000 }).toBeGreaterThan(before)
      await sleep(30 * kills)
      await recado?.kill()
      recado = await startRecado({ env: env() })
      if ((await ask('GET', `/v1/replays/${id}`, key))['state'] === 'finished') break
    }
    await expect.poll(async () => (await ask('GET', `/v1/replays/${id}`, key))['state'], { timeout: 30_000 }).toBe('finished')
    // The message that cannot be read cannot be read again.
    const counts = { matched: stuck, replayed: stuck, unreadable: 0, waiting: 0, items: 2 * stuck, failed: stuck }
    expect(await ask('GET', `/v1/replays/${id}`, key)).toMatchObject({ total: stuck, ...counts })
    expect(await replayedTwice()).toEqual([])
    expect(await eventsOf('DeliveryReplayed')).toHaveLength(stuck)
    expect(await eventsOf('MessageReceived')).toHaveLength(stuck)
  })

  it('is asked for from the command line, dry or in earnest, beside the running program', async () => {
    const dry = await runRecado(['replay', 'deliveries', '--tenant', 'replay', '--state', 'failed', '--dry-run'], env())
    expect(dry.lines.at(-1)).toBe(`${stuck} deliveries match; 0 events would be appended. Nothing was changed.`)
    const done = await runRecado(['replay', 'deliveries', '--tenant', 'replay', '--rate', '500'], env())
    expect(done.code).toBe(0)
    expect(done.lines.at(-1)).toBe(
      `Finished: ${stuck} deliveries, ${stuck} replayed (${2 * stuck} items, ${stuck} failed again), 0 still wait for their number, 0 are no longer readable.`,
    )
    expect(await replayedTwice()).toEqual([])
    expect(await runRecado(['replay', 'deliveries', '--tenant', 'nobody'], env())).toMatchObject({
      code: 1,
      lines: ['There is no organisation "nobody".'],
    })
  })

  it('goes on by the command itself where no program runs, as do the tables of a process', async () => {
    await recado?.kill()
    const done = await runRecado(['replay', 'deliveries', '--tenant', 'replay', '--rate', '500'], env())
    expect(done.lines.at(-1)).toContain(`Finished: ${stuck} deliveries`)
    const outbox = await runRecado(['replay', 'process', 'outbox', '--dry-run'], env())
    expect(outbox.lines.at(-1)).toBe('Nothing was changed.')
    expect(await runRecado(['replay', 'process', 'media'], env())).toMatchObject({ code: 1 })
    const intake = await runRecado(['replay', 'process', 'intake'], env())
    expect(intake).toMatchObject({ code: 0 })
    expect(intake.lines.join('\n')).toContain('0 were missing')
    const { lines } = await runRecado(['export', 'events', '--type', 'AccessRecorded', '--format', 'ndjson'], env())
    const records = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as { data: { what: string; request: string } })
    expect(records.filter(({ data }) => data.what === 'process_redriven').map(({ data }) => data.request)).toEqual(['recado replay process intake'])
  })
})
