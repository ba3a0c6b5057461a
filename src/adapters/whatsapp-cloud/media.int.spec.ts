import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createMediaApi } from './media.ts'

const account = { phoneNumberId: '1', wabaId: '2', accessToken: 'secret-token' }
const servers: Server[] = []

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})
const json =
  (status: number, body: unknown): RequestListener =>
  (_req, res) =>
    void res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))

describe("Meta's media endpoints", () => {
  it('are read with a size in text as well as in a number', async () => {
    const graphUrl = await serve(
      json(200, { url: 'https://lookaside.fbsbx.com/x', mime_type: 'image/jpeg', sha256: 'aa', file_size: '303833', id: '9' }),
    )
    const api = createMediaApi({ graphUrl, version: 'v26.0' })
    expect(await api.describe(account, '9')).toEqual({
      ok: { url: 'https://lookaside.fbsbx.com/x', mimeType: 'image/jpeg', sha256: 'aa', size: 303833 },
    })
    await api.close()
  })
  it('say why, or that nobody could be reached', async () => {
    const graphUrl = await serve(json(401, { error: { code: 190, message: 'expired' } }))
    const api = createMediaApi({ graphUrl, version: 'v26.0' })
    expect(await api.describe(account, '9')).toMatchObject({ error: { code: 190, status: 401 } })
    const nowhere = createMediaApi({ graphUrl: 'http://127.0.0.1:1', version: 'v26.0' })
    expect(await nowhere.describe(account, '9')).toEqual({ unreachable: 'ECONNREFUSED' })
    await Promise.all([api.close(), nowhere.close()])
  })
  it('never show the token to another host in plain', async () => {
    const seen: unknown[] = []
    const stranger = await serve((req, res) => {
      seen.push(req.headers.authorization)
      res.end('bytes')
    })
    const api = createMediaApi({ graphUrl: await serve(json(404, {})), version: 'v26.0' })
    expect(await api.download(account, `${stranger}/file`)).toEqual({ unreachable: 'the address of the file is not safe' })
    expect(seen).toEqual([])
    await api.close()
  })
  it('take a file as a form whose length is said in advance', async () => {
    let form: FormData | undefined
    let length: string | undefined
    const graphUrl = await serve((req, res) => {
      length = req.headers['content-length']
      const pieces: Buffer[] = []
      req.on('data', (piece: Buffer) => pieces.push(piece))
      req.on('end', () => {
        const headers = { 'content-type': req.headers['content-type'] ?? '' }
        void new Request('http://form', { method: 'POST', headers, body: new Uint8Array(Buffer.concat(pieces)) }).formData().then((read) => {
          form = read
          json(200, { id: '77' })(req, res)
        })
      })
    })
    const api = createMediaApi({ graphUrl, version: 'v26.0' })
    async function* bytes(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('one ')
      yield Buffer.from('two')
    }
    expect(await api.upload(account, { mimeType: 'text/plain', filename: 'a"b\r\n.txt', size: 7, bytes: bytes() })).toEqual({ ok: '77' })
    const file = form?.get('file')
    expect([form?.get('messaging_product'), form?.get('type')]).toEqual(['whatsapp', 'text/plain'])
    expect(file instanceof File ? [file.name, file.type, await file.text()] : []).toEqual(['a_b__.txt', 'text/plain', 'one two'])
    expect(Number(length)).toBeGreaterThan(7)
    await api.close()
  })
})
