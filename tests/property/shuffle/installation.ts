import { createHmac } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { copyOf, freshDatabase, type TestDatabase } from '../../support/database.ts'
import { startRecado, type RunningRecado } from '../../support/processes.ts'
import type { Update } from './updates.ts'

const operatorKey = 'operator-key-of-the-shuffle'
const appSecret = 'app-secret-of-the-shuffle'
export const phoneNumberId = '100200300400500'
const wabaId = '200200200200200'

type Json = Record<string, unknown>
type Page = { readonly data: readonly Json[]; readonly next_cursor: string | null }

/** A database with one tenant and one connected number, as often as wanted: copies share tenant, keys and so every derived id. */
export async function preparedDatabase(server: string): Promise<{ database: TestDatabase; key: string }> {
  const database = await freshDatabase(server)
  const recado = await start(database.url)
  try {
    const operator = { authorization: `Bearer ${operatorKey}` }
    const { api_key } = await ask<{ api_key: { key: string } }>(recado, 'POST', '/v1/tenants', operator, { name: 'Shuffle', slug: 'shuffle' })
    const channel = { kind: 'business', name: 'One', phone_number_id: phoneNumberId, waba_id: wabaId, access_token: 'no-such-token', verify: false }
    await ask(recado, 'POST', '/v1/channels', bearer(api_key.key), channel)
    return { database, key: api_key.key }
  } finally {
    await recado.stop()
  }
}

/** Posts the batches to a copy of the database and reads what clients see when all of it was applied. */
export async function finalState(
  prepared: { database: TestDatabase; key: string },
  batches: readonly (readonly Update[])[],
  connections: number,
): Promise<State> {
  const began = performance.now()
  const phase = (name: string): void => {
    if (process.env['RECADO_SHUFFLE_UPDATES'] !== undefined) console.log(`${name} after ${((performance.now() - began) / 1000).toFixed(1)} s`)
  }
  const database = await copyOf(prepared.database)
  const recado = await start(database.url)
  try {
    let next = 0
    await Promise.all(
      Array.from({ length: connections }, async () => {
        for (let mine = next++; mine < batches.length; mine = next++) await post(recado, batches[mine] ?? [])
      }),
    )
    phase('posted')
    await applied(recado, prepared.key)
    phase('applied')
    const state = await read(recado, prepared.key)
    phase('read')
    return state
  } finally {
    await recado.stop()
    await database.drop()
  }
}

const start = (url: string): Promise<RunningRecado> =>
  startRecado({
    env: {
      DATABASE_URL: url,
      RECADO_DEMO: '0',
      RECADO_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
      RECADO_OPERATOR_KEY: operatorKey,
      META_APP_SECRET: appSecret,
      META_VERIFY_TOKEN: 'shuffle',
      // Nobody is there: media stay pending in every run alike.
      META_GRAPH_URL: 'http://127.0.0.1:9',
      LOG_LEVEL: 'error',
    },
  })

async function post(recado: RunningRecado, changes: readonly Update[]): Promise<void> {
  const body = JSON.stringify({ object: 'whatsapp_business_account', entry: [{ id: wabaId, changes }] })
  const signature = `sha256=${createHmac('sha256', appSecret).update(body).digest('hex')}`
  // Like Meta: until it is acknowledged.
  for (let tries = 0; ; tries++) {
    const answer = await fetch(`${recado.url}/webhooks/meta`, { method: 'POST', body, headers: { 'X-Hub-Signature-256': signature } })
    if (answer.status === 200) return
    if (answer.status !== 503 || tries > 100) throw new Error(`a delivery was answered ${answer.status}`)
    await sleep(500)
  }
}

const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` })

async function ask<T>(recado: RunningRecado, method: string, path: string, headers: Record<string, string>, body?: unknown): Promise<T> {
  const content = body === undefined ? {} : { body: JSON.stringify(body), headers: { ...headers, 'content-type': 'application/json' } }
  const answer = await fetch(`${recado.url}${path}`, { method, headers, ...content })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
  return JSON.parse(text) as T
}

/** No delivery is left, no status waits for its message, and every read model stands at the head of a log that no longer grows. */
async function applied(recado: RunningRecado, key: string): Promise<void> {
  for (let head = '', quiet = 0; quiet < 3; await sleep(300)) {
    const { data: waiting } = await ask<Page>(recado, 'GET', '/v1/deliveries?state=received&limit=1', bearer(key))
    const models = await ask<
      readonly { head: string; lag_events: number | null }[] | { data: readonly { head: string; lag_events: number | null }[] }
    >(recado, 'GET', '/v1/projections', bearer(key))
    const list = 'data' in models ? models.data : models
    const now = list[0]?.head ?? ''
    const still = waiting.length === 0 && now === head && list.every(({ lag_events }) => lag_events === 0)
    quiet = still ? quiet + 1 : 0
    head = now
  }
}

/** By id, without what is of the run and not of the world: positions, versions, and when we recorded it. */
export type State = { readonly conversations: Rows; readonly messages: Rows; readonly contacts: Rows; readonly failures: number }
type Rows = Readonly<Record<string, Json>>

const ofTheRun = new Set(['version', 'recorded_at', 'created_at', 'updated_at', 'url', 'thumbnail_url', 'last_activity_at'])

async function read(recado: RunningRecado, key: string): Promise<State> {
  const all = async (path: string): Promise<Json[]> => {
    const rows: Json[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: Page = await ask(
        recado,
        'GET',
        `${path}${path.includes('?') ? '&' : '?'}limit=200${cursor === '' ? '' : `&cursor=${cursor}`}`,
        bearer(key),
      )
      rows.push(...page.data)
      cursor = page.next_cursor
    }
    return rows
  }
  const conversations = await all('/v1/conversations')
  const messages: Json[] = []
  for (const { id } of conversations) messages.push(...(await all(`/v1/conversations/${String(id)}/messages`)))
  const contacts = await all('/v1/contacts')
  const failures = await all('/v1/deliveries?state=failed')
  return { conversations: byId(conversations), messages: byId(messages), contacts: byId(contacts), failures: failures.length }
}

const byId = (rows: readonly Json[]): Rows =>
  Object.fromEntries(rows.map((row) => [String(row['id']), lasting(row) as Json] as const).toSorted(([a], [b]) => (a < b ? -1 : 1)))

function lasting(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lasting)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).flatMap(([name, field]) => (ofTheRun.has(name) ? [] : [[name, lasting(field)]])))
}
