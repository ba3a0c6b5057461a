import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chromium } from 'playwright-core'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { startRecado, type RunningRecado } from '../support/processes.ts'

type Json = Record<string, unknown>
const browserPath = [process.env['CHROMIUM_PATH'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  (path) => path !== undefined && path !== '' && existsSync(path),
)

const dataDir = mkdtempSync(join(tmpdir(), 'recado-inbox-'))
let db: TestDatabase
let recado: RunningRecado
let key: string

async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; json: Json; position: string }> {
  const response = await fetch(`${recado.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: response.status, json: (await response.json()) as Json, position: response.headers.get('x-position') ?? '' }
}

/** On the simulated phone: through the simulator's signed webhook, as everything of a customer comes. */
async function customerWrites(text: string): Promise<void> {
  const sent = await fetch(`${recado.url}/simulator/_sim/customers/+5491155550123/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ phone_number_id: '100000000000001', type: 'text', text: { body: text } }),
  })
  expect(sent.status).toBe(200)
}

const list = async (path: string): Promise<Json[]> => (await call('GET', path)).json['data'] as Json[]

beforeAll(async () => {
  db = await freshDatabase()
  recado = await startRecado({
    env: { DATABASE_URL: db.url, RECADO_DATA_DIR: dataDir, RECADO_DEMO: '1', META_VERIFY_TOKEN: 'made-up', LOG_LEVEL: 'warn' },
  })
  const session = (await (await fetch(`${recado.url}/demo/session`)).json()) as { api_key: string }
  key = session.api_key
})
afterAll(async () => {
  await recado.stop()
  await db.drop()
  rmSync(dataDir, { recursive: true, force: true })
})

it('lets a real app verify the webhook address beside the demo', async () => {
  const verified = await fetch(`${recado.url}/webhooks/meta?hub.mode=subscribe&hub.verify_token=made-up&hub.challenge=1158201444`)
  expect([verified.status, await verified.text()]).toEqual([200, '1158201444'])
})

describe('a delivery of the provider', () => {
  it('can be looked at as it came and applied again without doing anything twice', async () => {
    await customerWrites('¿Me llega esto?')
    await expect.poll(async () => (await list('/v1/deliveries?state=processed')).length).toBeGreaterThan(0)
    const [delivery] = await list('/v1/deliveries?state=processed')
    const path = `/v1/deliveries/${String(delivery?.['id'])}`
    const whole = (await call('GET', path)).json
    expect(JSON.parse(whole['raw'] as string)).toMatchObject({ object: 'whatsapp_business_account' })
    expect(whole['raw']).toContain('Me llega esto')

    const before = (await list('/v1/events?limit=200')).length
    expect((await call('POST', `${path}/replay`, { dry_run: true })).json).toMatchObject({ dry_run: true, items: 1, failed: 0 })
    expect(await list('/v1/events?limit=200')).toHaveLength(before)
    const again = await call('POST', `${path}/replay`)
    expect(again.json).toMatchObject({ dry_run: false, items: 1, failed: 0 })
    const events = await list('/v1/events?limit=200')
    expect(events.slice(before).map(({ type }) => type)).toEqual(['DeliveryReplayed'])
    const shown = await call('GET', path, undefined, { 'x-read-after': again.position })
    expect(shown.json).toMatchObject({ state: 'processed', replays: 1 })
  })
})

describe.skipIf(browserPath === undefined)('the page', () => {
  it('shows a customer of the phone, lets a newcomer answer, and follows the answer to read', async () => {
    const browser = await chromium.launch({ executablePath: browserPath ?? '', args: ['--no-sandbox'] })
    try {
      const page = await browser.newPage()
      const wrong: string[] = []
      page.on('pageerror', (error) => wrong.push(error.message))
      page.on('console', (message) => message.type() === 'error' && wrong.push(message.text()))
      await page.goto(recado.url.replace('127.0.0.1', 'localhost'))
      await page.locator('#connection[data-state=live]').waitFor()
      const phone = page.frameLocator('#phone iframe')
      await phone.locator('#text').fill('Hola, ¿sigue disponible?')
      await phone.locator('#text').press('Enter')
      const row = page.locator('.row', { hasText: 'Hola, ¿sigue disponible?' })
      await row.locator('.badge').waitFor()
      await row.click()
      await page.locator('.bubble.inbound', { hasText: 'sigue disponible' }).waitFor()
      await page.locator('.row .badge').waitFor({ state: 'detached' })
      await page.locator('#text').fill('Sí, ¿querés verlo mañana?')
      await page.locator('#text').press('Enter')
      await page.locator('.bubble.outbound .tick[aria-label=read]').waitFor()
      await phone.locator('text=¿querés verlo mañana?').waitFor()
      expect(wrong).toEqual([])
    } finally {
      await browser.close()
    }
  })
})
