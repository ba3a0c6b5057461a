import { isAscii, isUtf8 } from 'node:buffer'
import { hash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { outlineOf } from '../../commands/deliveries/outline.ts'
import type { ReceiveDelivery } from '../../commands/deliveries/receive-delivery.ts'
import { StoreUnavailable } from '../../domain/kernel/event-store.ts'
import { isSigned, signatureOf, type SigningKey } from './signature.ts'

/** A Meta app whose webhooks come here: `default`, or a tenant's own behind an unguessable hook. */
export type WebhookApp = {
  readonly name: string
  readonly keys: readonly SigningKey[]
  readonly verifyToken: string
  /** Set for a tenant's own app: its deliveries concern nobody else. */
  readonly tenantId?: string
}

export type WebhookOutcome = 'accepted' | 'unsigned' | 'too_large' | 'malformed' | 'unavailable' | 'aborted'

export type FrontOptions = {
  /** The app of a hook, or of no hook; undefined when there is no such hook. */
  readonly appOf: (hook: string | undefined) => Promise<WebhookApp | undefined> | WebhookApp | undefined
  readonly receive: ReceiveDelivery
  readonly onOutcome?: (outcome: WebhookOutcome, milliseconds: number) => void
  readonly onError?: (error: unknown) => void
  /** Bytes of bodies under way at once (64 MiB); beyond it 503. */
  readonly roomBytes?: number
  /** Everything that is not a webhook of Meta. */
  readonly otherwise: RequestListener
}

/** Meta sends at most 3 MB. */
const maxBytes = 3 * 1024 * 1024
const discardMs = 5_000
const roomBytes = 64 * 1024 * 1024
const path = /^\/(?:webhooks\/meta(?:\/([A-Za-z0-9_-]{1,128}))?|api\/whatsapp\/webhook)\/?$/

/**
 * Webhooks on the bare Node server, in front of Express: 1.45 × Express under durable load (its prototype juggling per request costs more than our whole handler).
 * Nothing is said before it is durable: 200 means stored, 503 means send it again.
 */
export function webhookFront(options: FrontOptions): RequestListener {
  const room: Room = { bytes: options.roomBytes ?? roomBytes }
  return (req, res) => {
    const url = req.url ?? ''
    const query = url.indexOf('?')
    const match = path.exec(query === -1 ? url : url.slice(0, query))
    if (match === null || (req.method !== 'POST' && req.method !== 'GET')) {
      options.otherwise(req, res)
      return
    }
    if (req.method === 'POST') return take(req, res, { hook: match[1], room }, options)
    verify(req, res, match[1], options).catch((error: unknown) => {
      options.onError?.(error)
      if (!res.headersSent) answer(res, 503, { 'Retry-After': '5' })
    })
  }
}

/** Meta's check of the endpoint: the challenge comes back as it came. */
async function verify(req: IncomingMessage, res: ServerResponse, hook: string | undefined, { appOf }: FrontOptions): Promise<void> {
  const app = await appOf(hook)
  const query = new URL(req.url ?? '', 'http://localhost').searchParams
  const challenge = query.get('hub.challenge')
  const known =
    app !== undefined &&
    app.verifyToken !== '' &&
    query.get('hub.mode') === 'subscribe' &&
    sameText(query.get('hub.verify_token') ?? '', app.verifyToken)
  if (!known || challenge === null) return answer(res, 403)
  res.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff' })
  res.end(challenge)
}

const sameText = (given: string, wanted: string): boolean => timingSafeEqual(hash('sha256', given, 'buffer'), hash('sha256', wanted, 'buffer'))

/**
 * One delivery: room for its body → signature → JSON → durable → answered. Written with callbacks on purpose: the same as an async function cost five
 * promises and seven turns of the microtask queue per request.
 */
function take(req: IncomingMessage, res: ServerResponse, { hook, room }: { hook: string | undefined; room: Room }, options: FrontOptions): void {
  const started = performance.now()
  const said = (outcome: WebhookOutcome): void => options.onOutcome?.(outcome, performance.now() - started)
  const refuse = (status: number, outcome: WebhookOutcome, headers: Readonly<Record<string, string>> = {}): void => {
    answer(res, status, { Connection: 'close', ...headers })
    discard(req)
    said(outcome)
  }
  const failed = (error: unknown): void => {
    const known = error instanceof StoreUnavailable
    if (!known) options.onError?.(error)
    if (!res.headersSent) answer(res, 503, { 'Retry-After': String(known ? error.retryAfterSeconds : 5) })
    said('unavailable')
  }
  const signature = signatureOf(req)
  if (Number(req.headers['content-length'] ?? 0) > maxBytes) return refuse(413, 'too_large')
  // Without so much as the form of a signature it is not worth the memory.
  if (signature === undefined) return refuse(401, 'unsigned')

  const judge = (app: WebhookApp | undefined, body: Buffer): void => {
    if (app === undefined || !isSigned(body, signature, app.keys)) {
      answer(res, 401)
      return said('unsigned')
    }
    const outline = isAscii(body) || isUtf8(body) ? outlineOf(body) : undefined
    if (outline === undefined) {
      answer(res, 400)
      return said('malformed')
    }
    options.receive({ raw: body, outline, app: app.name, tenantId: app.tenantId }).then(() => {
      answer(res, 200, nothing)
      said('accepted')
    }, failed)
  }
  readBody(req, room, (body) => {
    if (body === 'aborted') return said('aborted')
    if (body === 'too_large') return refuse(413, 'too_large')
    if (body === 'no_room') return refuse(503, 'unavailable', { 'Retry-After': '2' })
    try {
      const app = options.appOf(hook)
      if (app instanceof Promise) app.then((found) => judge(found, body)).catch(failed)
      else judge(app, body)
    } catch (error) {
      failed(error)
    }
  })
}

/**
 * Reads on and throws away, for a while: closed with bytes unread, a connection is reset, and the 413 may be lost with it.
 * After that it is cut off, whatever is still to come.
 */
function discard(req: IncomingMessage): void {
  const timer = setTimeout(() => req.destroy(), discardMs)
  req.once('close', () => clearTimeout(timer))
  req.removeAllListeners('data')
  req.resume()
}

/** Bytes of bodies that may still be taken in at once: what is not verified yet must not be able to fill the memory. */
type Room = { bytes: number }

/** `then` is called once. */
function readBody(req: IncomingMessage, room: Room, then: (body: Buffer | 'too_large' | 'aborted' | 'no_room') => void): void {
  let first: Buffer | undefined
  let more: Buffer[] | undefined
  let size = 0
  let over = false
  const done = (result: Buffer | 'too_large' | 'aborted' | 'no_room'): void => {
    if (over) return
    over = true
    room.bytes += size
    then(result)
  }
  req.on('data', (chunk: Buffer) => {
    if (over) return
    size += chunk.length
    room.bytes -= chunk.length
    if (size > maxBytes) done('too_large')
    else if (room.bytes < 0) done('no_room')
    else if (first === undefined) first = chunk
    else (more ??= [first]).push(chunk)
  })
  req.on('end', () => done(more === undefined ? (first ?? empty) : Buffer.concat(more)))
  req.on('error', () => done('aborted'))
  req.on('close', () => done('aborted'))
}

const empty = Buffer.alloc(0)

const nothing = { 'Content-Length': '0' } as const

function answer(res: ServerResponse, status: number, headers: Readonly<Record<string, string>> = {}): void {
  res.writeHead(status, headers === nothing ? nothing : { ...nothing, ...headers })
  res.end()
}
