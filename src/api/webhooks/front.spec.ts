import { createHmac } from 'node:crypto'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { StoreUnavailable } from '../../domain/kernel/event-store.ts'
import { webhookFront, type FrontOptions } from './front.ts'
import { signingKeys } from './signature.ts'

let server: Server | undefined
afterEach(() => server?.close())

const sign = (body: string | Buffer, secret = 'current') => `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`

async function start(receive: FrontOptions['receive'] = async () => undefined, more: Partial<FrontOptions> = {}) {
  const received: { raw: string; app: string }[] = []
  const front = webhookFront({
    appOf: (hook) =>
      hook === undefined || hook === 'own'
        ? { name: hook ?? 'default', keys: signingKeys(['current', 'previous']), verifyToken: 'let-me-in' }
        : undefined,
    receive: async (delivery) => {
      await receive(delivery)
      received.push({ raw: Buffer.from(delivery.raw).toString(), app: delivery.app })
    },
    otherwise: (_req, res) => res.writeHead(418).end(),
    ...more,
  })
  server = createServer(front).listen(0)
  const { port } = server.address() as AddressInfo
  const send = (method: string, path: string, body?: string | Buffer, headers: Record<string, string> = {}) =>
    new Promise<{ status: number; text: string; headers: Record<string, unknown> }>((resolve, reject) => {
      const req = request({ port, method, path, headers }, (res) => {
        let text = ''
        res.setEncoding('utf8')
        res.on('data', (chunk: string) => (text += chunk))
        res.on('end', () => resolve({ status: res.statusCode ?? 0, text, headers: res.headers }))
      })
      req.on('error', reject)
      req.end(body)
    })
  return {
    received,
    send,
    post: (body: string | Buffer, path = '/webhooks/meta', signature = sign(body)) => send('POST', path, body, { 'X-Hub-Signature-256': signature }),
  }
}

describe('the webhook endpoint', () => {
  it('stores a signed delivery as it came and says 200 with nothing in it', async () => {
    const { post, received } = await start()
    const body = '{"object":"whatsapp_business_account","entry":[{"id":"\\u00e9\\/"}]}'
    expect(await post(body)).toMatchObject({ status: 200, text: '' })
    expect(received).toEqual([{ raw: body, app: 'default' }])
  })
  it('takes the previous secret while it is being rotated', async () => {
    const { post } = await start()
    expect((await post('{}', '/webhooks/meta', sign('{}', 'previous'))).status).toBe(200)
  })
  it.each(['/webhooks/meta', '/api/whatsapp/webhook', '/webhooks/meta/own', '/webhooks/meta?x=1', '/webhooks/meta/'])(
    'listens on %s',
    async (path) => {
      const { post } = await start()
      expect((await post('{}', path)).status).toBe(200)
    },
  )
  it.each([
    ['another secret', sign('{}', 'wrong')],
    ['another body', sign('{ }')],
    ['no hex', 'sha256=zz'],
    ['the old algorithm', `sha1=${'a'.repeat(40)}`],
    ['nothing', ''],
  ])('answers 401 to a signature of %s and stores nothing', async (_what, signature) => {
    const { post, received } = await start()
    expect((await post('{}', '/webhooks/meta', signature)).status).toBe(401)
    expect(received).toEqual([])
  })
  it('answers 401 on a hook that nobody has', async () => {
    const { post } = await start()
    expect((await post('{}', '/webhooks/meta/unknown')).status).toBe(401)
  })
  it.each([
    ['no JSON', '{"a":'],
    ['nothing', ''],
    ['bytes that are no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
    ['a nest of ten thousand arrays', '['.repeat(10_000) + ']'.repeat(10_000)],
  ])('answers 400 to %s', async (_what, body) => {
    const { post, received } = await start()
    expect((await post(body)).status).toBe(400)
    expect(received).toEqual([])
  })
  it('does not count brackets within text as depth', async () => {
    const { post } = await start()
    expect((await post(JSON.stringify({ text: `\\"${'['.repeat(5_000)}` }))).status).toBe(200)
  })
  it('takes 3 MiB and answers 413 to more, announced or not', async () => {
    const { post, send } = await start()
    const body = JSON.stringify('x'.repeat(3 * 1024 * 1024 - 2))
    expect((await post(body)).status).toBe(200)
    expect((await post(`${body} `)).status).toBe(413)
    expect((await send('POST', '/webhooks/meta', `${body} `, { 'Transfer-Encoding': 'chunked', 'X-Hub-Signature-256': sign(body) })).status).toBe(413)
    expect((await send('POST', '/webhooks/meta', body.repeat(3), { 'Transfer-Encoding': 'chunked', 'X-Hub-Signature-256': sign(body) })).status).toBe(
      413,
    )
  })
  it('answers 503 when it could not be made durable', async () => {
    const { post } = await start(async () => {
      throw new StoreUnavailable('queue_full', 'too much at once', 3)
    })
    expect(await post('{}')).toMatchObject({ status: 503, headers: { 'retry-after': '3' } })
  })
  it('answers 503 rather than take in more than there is room for, and has its room back afterwards', async () => {
    const { post } = await start(undefined, { roomBytes: 1_000 })
    expect((await post(JSON.stringify('x'.repeat(5_000)))).status).toBe(503)
    expect((await post('{}')).status).toBe(200)
  })
  it('echoes the challenge to who knows the verify token, else 403', async () => {
    const { send } = await start()
    const ask = (token: string) => send('GET', `/webhooks/meta?hub.mode=subscribe&hub.verify_token=${token}&hub.challenge=115%3Cb%3E`)
    expect(await ask('let-me-in')).toMatchObject({ status: 200, text: '115<b>', headers: { 'content-type': 'text/plain; charset=utf-8' } })
    expect((await ask('let-me-out')).status).toBe(403)
  })
  it('hands everything else on', async () => {
    const { send } = await start()
    expect((await send('GET', '/v1/conversations')).status).toBe(418)
    expect((await send('DELETE', '/webhooks/meta')).status).toBe(418)
  })
})
