import { createHash, createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()

/**
 * S3 as far as a media store meets it: path style, PUT, GET with a range, HEAD, DELETE, and signature version 4 checked for real
 * (after "Authenticating Requests: Using the Authorization Header"), with Content-Length required and half a body never kept.
 */
export async function startS3Double({
  bucket,
  accessKeyId,
  secretAccessKey,
  region,
}: {
  bucket: string
  accessKeyId: string
  secretAccessKey: string
  region: string
}) {
  const objects = new Map<string, Buffer>()
  const signature = (req: IncomingMessage): string | undefined => {
    const parts = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      req.headers.authorization ?? '',
    )
    if (parts?.[1] !== accessKeyId || parts[3] !== region) return 'InvalidAccessKeyId'
    const [, , day = '', , names = '', given] = parts
    const url = new URL(req.url ?? '/', 'http://s3')
    const canonical = [
      req.method,
      url.pathname,
      [...url.searchParams]
        .map(([k, v]) => `${k}=${v}`)
        .sort()
        .join('&'),
      ...names.split(';').map((name) => `${name}:${String(req.headers[name] ?? '').trim()}`),
      '',
      names,
      req.headers['x-amz-content-sha256'],
    ].join('\n')
    const scope = `${day}/${region}/s3/aws4_request`
    const text = `AWS4-HMAC-SHA256\n${String(req.headers['x-amz-date'])}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`
    const key = hmac(hmac(hmac(hmac(`AWS4${secretAccessKey}`, day), region), 's3'), 'aws4_request')
    return hmac(key, text).toString('hex') === given ? undefined : 'SignatureDoesNotMatch'
  }
  const say = (res: ServerResponse, status: number, code: string): void => {
    res.writeHead(status, { 'content-type': 'application/xml' }).end(`<?xml version="1.0"?><Error><Code>${code}</Code></Error>`)
  }
  const server = createServer((req, res) => {
    const mistake = signature(req)
    if (mistake !== undefined) return say(res, 403, mistake)
    const [, name, ...rest] = (req.url ?? '').split('/')
    if (name !== bucket) return say(res, 404, 'NoSuchBucket')
    const key = rest.join('/')
    if (req.method === 'PUT') {
      if (req.headers['content-length'] === undefined) return say(res, 411, 'MissingContentLength')
      const parts: Buffer[] = []
      req.on('data', (part: Buffer) => parts.push(part))
      req.on('error', () => undefined)
      req.on('end', () => {
        if (!req.complete) return
        objects.set(key, Buffer.concat(parts))
        res.writeHead(200).end()
      })
      return
    }
    const found = objects.get(key)
    if (req.method === 'DELETE') {
      objects.delete(key)
      return void res.writeHead(204).end()
    }
    if (req.method === 'HEAD') return void res.writeHead(key === '' || found !== undefined ? 200 : 404).end()
    if (found === undefined) return say(res, 404, 'NoSuchKey')
    const range = /^bytes=(\d+)-(\d+)$/.exec(req.headers.range ?? '')
    if (range === null) return void res.writeHead(200, { 'content-length': found.length }).end(found)
    const [from, to] = [Number(range[1]), Math.min(Number(range[2]) + 1, found.length)]
    if (from >= found.length) return say(res, 416, 'InvalidRange')
    res.writeHead(206, { 'content-length': to - from, 'content-range': `bytes ${from}-${to - 1}/${found.length}` }).end(found.subarray(from, to))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
