import { connect } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { listen } from './listen.ts'

const running: { close: () => unknown }[] = []
afterEach(() => running.splice(0).forEach((server) => server.close()))

/** Sends as it stands and reads to the end. */
const say = async (port: number, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    socket.setEncoding('utf8').on('data', (more: string) => (answer += more))
    socket.on('end', () => resolve(answer)).on('error', reject)
  })

async function start(): Promise<number> {
  const { server, port, serve } = await listen({ host: '127.0.0.1', port: 0 })
  running.push(server)
  serve((req, res) => void req.toArray().then((body) => res.end(`${req.method} ${req.url} ${Buffer.concat(body as Buffer[]).toString()}`)), {
    wants: (req) => req.url === '/feed',
    upgrade: (_req, socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\nfeed'),
  })
  return port
}

const offer = 'Host: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n'

it('answers a request that offers another protocol as if it had not', async () => {
  const port = await start()
  expect(await say(port, `GET /v1/me HTTP/1.1\r\n${offer}\r\n`)).toMatch(/^HTTP\/1\.1 200 .*GET \/v1\/me /s)
  expect(await say(port, `POST /webhooks HTTP/1.1\r\n${offer}Content-Length: 5\r\n\r\nhello`)).toMatch(/^HTTP\/1\.1 200 .*POST \/webhooks hello/s)
})

it('hands over what is wanted', async () => {
  expect(await say(await start(), 'GET /feed HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')).toMatch(/101.*feed$/s)
})

it('says to people where it cannot listen', async () => {
  const port = await start()
  await expect(listen({ host: '127.0.0.1', port })).rejects.toThrow('The port is taken by another program. Set PORT to a free one.')
  // An address of documentation (RFC 5737): no machine has it.
  await expect(listen({ host: '192.0.2.1', port: 0 })).rejects.toThrow(
    /^It is not possible to listen there: .*192\.0\.2\.1.* Look at HOST and PORT\.$/,
  )
})
