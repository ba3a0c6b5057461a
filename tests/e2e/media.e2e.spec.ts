import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { startRecado, type RunningRecado } from '../support/processes.ts'

type Json = Record<string, unknown>
type Media = {
  id: string
  state: string
  mime_type?: string
  size?: number
  sha256?: string
  filename?: string
  url?: string
  thumbnail_url?: string
  width?: number
}

const dataDir = mkdtempSync(join(tmpdir(), 'recado-media-'))
const browserPath = [process.env['CHROMIUM_PATH'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  (path) => path !== undefined && path !== '' && existsSync(path),
)
const phone = '+5491155550123'
let db: TestDatabase
let recado: RunningRecado
let key: string
let picture: Buffer

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; json: Json; headers: Headers }> {
  const response = await fetch(`${recado.url}${path}`, {
    method,
    redirect: 'manual',
    headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, json: text === '' ? {} : (JSON.parse(text) as Json) }
}
async function upload(bytes: Uint8Array, name: string, type: string, headers: Record<string, string> = {}) {
  const form = new FormData()
  form.set('file', new Blob([new Uint8Array(bytes)], { type }), name)
  const response = await fetch(`${recado.url}/v1/media`, { method: 'POST', headers: { authorization: `Bearer ${key}`, ...headers }, body: form })
  return { status: response.status, headers: response.headers, json: (await response.json()) as Json & Media }
}
async function simulated(method: string, path: string, body?: unknown): Promise<Json> {
  const response = await fetch(`${recado.url}/simulator/_sim/${path}`, {
    method,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  expect(response.status).toBe(200)
  return (await response.json()) as Json
}
const customerSends = (message: Json): Promise<Json> =>
  simulated('POST', `customers/${phone}/messages`, { phone_number_id: '100000000000001', ...message })

async function conversationId(): Promise<string> {
  const { json } = await call('GET', '/v1/conversations')
  return String((json['data'] as Json[])[0]?.['id'])
}
async function messageBy(providerId: unknown): Promise<Json & { media?: Media }> {
  const { json } = await call('GET', '/v1/conversations')
  const [conversation] = json['data'] as Json[]
  if (conversation === undefined) return {}
  const thread = await call('GET', `/v1/conversations/${String(conversation['id'])}/messages`)
  return (thread.json['data'] as (Json & { media?: Media })[]).find((one) => one['provider_id'] === providerId) ?? {}
}
/** The message once its file is in that state. */
async function settled(providerId: unknown, state: string): Promise<Media> {
  await expect.poll(async () => (await messageBy(providerId)).media?.state, { timeout: 30_000 }).toBe(state)
  return (await messageBy(providerId)).media ?? { id: '', state: 'none' }
}
const bare = (path: string | undefined, headers: Record<string, string> = {}): Promise<Response> => fetch(`${recado.url}${path}`, { headers })

beforeAll(async () => {
  picture = await sharp({ create: { width: 1600, height: 900, channels: 3, background: '#777', noise: { type: 'gaussian', mean: 120, sigma: 60 } } })
    .jpeg({ quality: 95 })
    .toBuffer()
  db = await freshDatabase()
  recado = await startRecado({ env: { DATABASE_URL: db.url, RECADO_DATA_DIR: dataDir, RECADO_DEMO: '1', LOG_LEVEL: 'warn' } })
  key = ((await (await fetch(`${recado.url}/demo/session`)).json()) as { api_key: string }).api_key
})
afterAll(async () => {
  await recado.stop()
  await db.drop()
  rmSync(dataDir, { recursive: true, force: true })
})

describe('a file from a customer', () => {
  it('is fetched, and shown by links that need no credential', async () => {
    const { id } = await customerSends({
      type: 'image',
      image: { data_base64: picture.toString('base64'), mime_type: 'image/jpeg', caption: 'La casa' },
    })
    const media = await settled(id, 'stored')
    expect(media).toMatchObject({ mime_type: 'image/jpeg', size: picture.length, sha256: sha256(picture), width: 1600 })
    expect((await messageBy(id))['content']).toMatchObject({ image: { caption: 'La casa' } })

    const shown = await bare(media.url)
    expect(shown.status).toBe(200)
    expect(Buffer.from(await shown.arrayBuffer()).equals(picture)).toBe(true)
    expect(shown.headers.get('content-type')).toBe('image/jpeg')
    expect(shown.headers.get('x-content-type-options')).toBe('nosniff')
    expect(shown.headers.get('content-security-policy')).toContain('sandbox')
    const small = Buffer.from(await (await bare(media.thumbnail_url)).arrayBuffer())
    expect(await sharp(small).metadata()).toMatchObject({ format: 'webp', width: 480, height: 270 })

    expect((await bare(media.url?.replace(/.$/, (last) => (last === '0' ? '1' : '0')))).status).toBe(404)
    expect((await bare(media.url?.replace('/file', '/thumbnail'))).status).toBe(404)
    const redirect = await call('GET', `/v1/media/${media.id}`)
    expect(redirect.status).toBe(302)
    expect((await bare(redirect.headers.get('location') ?? '')).status).toBe(200)
    expect((await fetch(`${recado.url}/v1/media/${media.id}`)).status).toBe(401)
  })
  it('gives the part that a player asks for', async () => {
    const sound = Buffer.concat([Buffer.from('ID3\u0004\u0000\u0000\u0000\u0000\u0000\u0000'), Buffer.alloc(2_500_000, 7)])
    const { id } = await customerSends({ type: 'audio', audio: { data_base64: sound.toString('base64'), mime_type: 'audio/mpeg' } })
    const { url } = await settled(id, 'stored')
    const part = await bare(url, { range: 'bytes=1048570-1048589' })
    expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes 1048570-1048589/${sound.length}`])
    expect(Buffer.from(await part.arrayBuffer()).equals(sound.subarray(1048570, 1048590))).toBe(true)
    expect((await bare(url, { range: 'bytes=9999999-' })).status).toBe(416)
    const whole = await bare(url)
    expect((await whole.arrayBuffer()).byteLength).toBe(sound.length)
    expect((await bare(url, { 'if-none-match': whole.headers.get('etag') ?? '' })).status).toBe(304)
  })
  it('of any name is saved under it, and never shown as a page', async () => {
    const page = Buffer.from('<html><script>alert(document.domain)</script></html>')
    const { id } = await customerSends({
      type: 'document',
      document: { data_base64: page.toString('base64'), mime_type: 'text/html', filename: 'Contrato "señal"\r\n.html' },
    })
    const media = await settled(id, 'stored')
    const { headers } = await bare(media.url)
    expect(headers.get('content-type')).toMatch(/^text\/plain/)
    expect(headers.get('content-disposition')).toBe(
      `attachment; filename="Contrato _se_al___.html"; filename*=UTF-8''Contrato%20%22se%C3%B1al%22__.html`,
    )
  })
})

describe('a file of ours', () => {
  it('is uploaded, sent by its id, and handed to Meta once', async () => {
    const media = await upload(picture, 'plano.jpg', 'image/jpeg')
    expect([media.status, media.json]).toMatchObject([
      201,
      { mime_type: 'image/jpeg', size: picture.length, sha256: sha256(picture), filename: 'plano.jpg', state: 'stored' },
    ])
    const conversation = await conversationId()
    for (const caption of ['Uno', 'Dos'])
      expect(
        (await call('POST', `/v1/conversations/${conversation}/messages`, { type: 'image', image: { id: media.json.id, caption } })).status,
      ).toBe(202)
    const got = async (): Promise<Json[]> =>
      ((await simulated('GET', 'messages?direction=business'))['data'] as Json[]).filter(({ type }) => type === 'image')
    await expect.poll(async () => (await got()).length).toBe(2)
    const ids = (await got()).map(({ object }) => (object as Json)['id'])
    expect(new Set(ids).size).toBe(1)
    expect(ids[0]).toMatch(/^\d+$/)
    const thread = (await call('GET', `/v1/conversations/${conversation}/messages`)).json['data'] as (Json & { media?: Media })[]
    const [newest] = thread
    expect(newest?.media).toMatchObject({ id: media.json.id, filename: 'plano.jpg', state: 'stored' })
    const bytes = await (await fetch(`${recado.url}/simulator/_sim/media/${String(ids[0])}`)).arrayBuffer()
    expect(Buffer.from(bytes).equals(picture)).toBe(true)

    // Meta forgets its copy before the 30 days are over: the next message brings a new one along.
    const forgotten = await fetch(`${recado.url}/simulator/v26.0/${String(ids[0])}`, {
      method: 'DELETE',
      headers: { authorization: 'Bearer demo-access-token' },
    })
    expect(forgotten.status).toBe(200)
    expect(
      (await call('POST', `/v1/conversations/${conversation}/messages`, { type: 'image', image: { id: media.json.id, caption: 'Tres' } })).status,
    ).toBe(202)
    await expect.poll(async () => (await got()).length).toBe(3)
    const third = (await got()).map(({ object }) => object as Json).find(({ caption }) => caption === 'Tres')
    expect(third?.['id']).toMatch(/^\d+$/)
    expect(third?.['id']).not.toBe(ids[0])
  })
  it('is the same file when its upload is repeated with the same key, and another one is refused', async () => {
    const first = await upload(picture, 'a.jpg', 'image/jpeg', { 'idempotency-key': 'upload-1' })
    const again = await upload(picture, 'a.jpg', 'image/jpeg', { 'idempotency-key': 'upload-1' })
    expect(again.json.id).toBe(first.json.id)
    expect(again.headers.get('idempotent-replay')).toBe('true')
    const other = await upload(Buffer.from('otro'), 'a.txt', 'text/plain', { 'idempotency-key': 'upload-1' })
    expect([other.status, other.json['code']]).toEqual([409, 'idempotency_conflict'])
  })
  it('of a type or size that WhatsApp does not take is refused with the rule', async () => {
    const program = await upload(Buffer.concat([Buffer.from('MZ'), Buffer.alloc(500)]), 'x.exe', 'application/x-msdownload')
    expect([program.status, program.json['errors']]).toMatchObject([422, [{ path: 'body.file', code: 'media_type' }]])
    const large = await upload(Buffer.concat([picture, Buffer.alloc(6 * 1024 * 1024)]), 'x.jpg', 'image/jpeg')
    expect([large.status, large.json['detail']]).toEqual([413, 'The file is larger than the 5 MB that WhatsApp takes as image.'])
    const none = await fetch(`${recado.url}/v1/media`, { method: 'POST', headers: { authorization: `Bearer ${key}` }, body: new FormData() })
    expect(none.status).toBe(422)
  })
  it('is refused where it does not fit the message, before the message is queued', async () => {
    const media = await upload(Buffer.from('Hola'), 'hola.txt', 'text/plain')
    const conversation = await conversationId()
    const send = async (message: Json): Promise<unknown> => {
      const { status, json } = await call('POST', `/v1/conversations/${conversation}/messages`, message)
      return [status, json['errors']]
    }
    expect(await send({ type: 'image', image: { id: media.json.id } })).toMatchObject([422, [{ path: 'body.image.id', code: 'media_type' }]])
    expect(await send({ type: 'document', document: { id: '0197c0de-0000-7000-8000-000000000001' } })).toMatchObject([
      422,
      [{ code: 'unknown_media' }],
    ])
    expect(await send({ type: 'document', document: { id: media.json.id, filename: 'hola.txt' } })).toMatchObject([202, undefined])
  })
})

describe.skipIf(browserPath === undefined)('the page', () => {
  it('shows a picture when it has come, without being loaded anew', async () => {
    const browser = await chromium.launch({ executablePath: browserPath ?? '', args: ['--no-sandbox'] })
    try {
      const page = await browser.newPage()
      const wrong: string[] = []
      // The phone beside it also shows the picture that Meta was made to forget above.
      page.on('console', (message) => message.type() === 'error' && !message.location().url.includes('/simulator/') && wrong.push(message.text()))
      await page.goto(recado.url.replace('127.0.0.1', 'localhost'))
      await page.locator('#connection[data-state=live]').waitFor()
      await page.locator('.row').first().click()
      await page.locator('.bubble').first().waitFor()
      const before = await page.locator('.bubble img').count()
      await customerSends({
        type: 'image',
        image: { data_base64: picture.toString('base64'), mime_type: 'image/jpeg', caption: 'Desde el teléfono' },
      })
      await page.locator('.bubble', { hasText: 'Desde el teléfono' }).locator('img').waitFor()
      expect(await page.locator('.bubble img').count()).toBe(before + 1)
      const widths = (): Promise<number[]> =>
        page.locator('.bubble img').evaluateAll((all) => all.map((one) => (one as unknown as { naturalWidth: number }).naturalWidth))
      await page.locator('.bubble img').last().scrollIntoViewIfNeeded()
      await expect.poll(async () => (await widths()).at(-1)).toBe(480)
      expect(wrong).toEqual([])
    } finally {
      await browser.close()
    }
  })
})
