import { afterAll, beforeAll, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { freePort, launchRecado, runRecado, startRecado, type RunningRecado } from '../support/processes.ts'

let database: TestDatabase
let env: Readonly<Record<string, string>>
let api: RunningRecado
let key: Readonly<Record<string, string>>
const running: { readonly stop: () => Promise<unknown> }[] = []
beforeAll(async () => {
  database = await freshDatabase()
  env = {
    DATABASE_URL: database.url,
    RECADO_DEMO: '0',
    RECADO_MASTER_KEY: Buffer.alloc(32, 5).toString('base64'),
    RECADO_OPERATOR_KEY: 'the-key-of-the-operator',
    META_APP_SECRET: 'secret',
    META_VERIFY_TOKEN: 'verify',
    LOG_LEVEL: 'info',
  }
  api = await startRecado({ env: { ...env, RECADO_ROLES: 'api' }, probe: '/healthz' })
  running.push(api)
  const made = await fetch(`${api.url}/v1/tenants`, {
    method: 'POST',
    headers: { authorization: 'Bearer the-key-of-the-operator', 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'Two', slug: 'two' }),
  })
  key = { authorization: `Bearer ${((await made.json()) as { api_key: { key: string } }).api_key.key}` }
})
afterAll(async () => {
  await Promise.all(running.map(({ stop }) => stop()))
  await database.drop()
})

type Progress = { name: string; held_by: string | null; lag_events: number | null; state: string }
const progress = async (): Promise<Progress[]> => (await (await fetch(`${api.url}/v1/projections`, { headers: key })).json()) as Progress[]
const pidsOf = (all: readonly Progress[]): Set<string> => new Set(all.map(({ held_by: by }) => by?.split(':').at(-2) ?? 'nobody'))

async function startWorker(): Promise<{ pid: number; url: string; stop: () => Promise<number | null> }> {
  const port = await freePort()
  const worker = launchRecado(['worker'], { ...env, HOST: '127.0.0.1', PORT: String(port) })
  running.push(worker)
  const url = `http://127.0.0.1:${port}`
  await expect
    .poll(async () =>
      fetch(`${url}/healthz`).then(
        ({ status }) => status,
        () => 0,
      ),
    )
    .toBe(200)
  return { ...worker, url }
}

it('answers requests in one process and moves read models in two others, which share them, and hand them over when they go', async () => {
  expect(pidsOf(await progress())).toEqual(new Set(['nobody']))
  expect((await fetch(`${api.url}/readyz`)).status).toBe(503)

  const first = await startWorker()
  await expect.poll(async () => pidsOf(await progress())).toEqual(new Set([String(first.pid)]))
  await expect.poll(async () => (await fetch(`${api.url}/readyz`)).status).toBe(200)

  // A worker has doors for machines only.
  expect((await fetch(`${first.url}/v1/projections`, { headers: key })).status).toBe(404)
  expect((await fetch(`${first.url}/webhooks/meta`, { method: 'POST', body: '{}' })).status).toBe(404)

  const second = await startWorker()
  const shares = async (): Promise<number[]> => {
    const all = await progress()
    return [first.pid, second.pid].map((pid) => all.filter(({ held_by: by }) => by?.includes(`:${pid}:`) === true).length)
  }
  await expect.poll(async () => Math.min(...(await shares()))).toBeGreaterThanOrEqual(6)
  const numbers = await (await fetch(`${second.url}/metrics`)).text()
  expect(numbers).toContain('recado_processes{role="worker"} 2')
  expect(numbers).toMatch(/recado_lease_held\{lease="[a-zA-Z]+@v\d+"\} 1/)

  // What is written at the api process is shown there, whoever wrote the read model.
  const made = await fetch(`${api.url}/v1/channels`, {
    method: 'POST',
    headers: { ...key, 'content-type': 'application/json' },
    body: JSON.stringify({ kind: 'business', name: 'Front desk', phone_number_id: '1', waba_id: '2', access_token: 'token', verify: false }),
  })
  const read = await fetch(`${api.url}/v1/channels`, { headers: { ...key, 'x-read-after': made.headers.get('x-position') ?? '' } })
  expect(read.headers.get('x-stale')).toBeNull()
  expect(await read.text()).toContain('"Front desk"')

  expect(await first.stop()).toBe(0)
  await expect.poll(async () => pidsOf(await progress())).toEqual(new Set([String(second.pid)]))
})

it('goes on answering for a while when it is told to stop, and says to load balancers that it goes', async () => {
  const leaving = await startRecado({ env: { ...env, RECADO_ROLES: 'api', RECADO_DRAIN_SECONDS: '12' }, probe: '/readyz' })
  const ended = leaving.stop()
  await expect.poll(async () => fetch(`${leaving.url}/readyz`).then(async (answer) => answer.text())).toContain('stopping')
  expect((await fetch(`${leaving.url}/v1/channels`, { headers: key })).status).toBe(200)
  expect(await ended).toBe(0)
})

it('says that there is no role lite yet', async () => {
  const { code, lines } = await runRecado(['lite'], env)
  expect([code, lines.join(' ')]).toEqual([1, expect.stringContaining('not part of this version')])
})
