import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'

/** The least a webhook endpoint can do: node:http, HMAC, JSON.parse, 200. Nothing is stored. */
const secret = process.env['META_APP_SECRET'] ?? ''
createServer((req, res) => {
  const chunks: Buffer[] = []
  req.on('data', (chunk: Buffer) => chunks.push(chunk))
  req.on('end', () => {
    const body = Buffer.concat(chunks)
    const given = Buffer.from(String(req.headers['x-hub-signature-256']).slice(7), 'hex')
    if (!timingSafeEqual(createHmac('sha256', secret).update(body).digest(), given)) return res.writeHead(401).end()
    JSON.parse(body.toString('utf8'))
    return res.writeHead(200, { 'Content-Length': '0' }).end()
  })
}).listen(Number(process.env['PORT']), '127.0.0.1', () => process.stdout.write('ready\n'))
