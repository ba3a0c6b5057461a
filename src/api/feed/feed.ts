import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer, type RawData, type WebSocket } from 'ws'
import type { z } from 'zod'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { parsePosition, type Position } from '../../domain/kernel/position.ts'
import { platformTenant } from '../../domain/kernel/stream.ts'
import { covers } from '../../domain/tenant/keys.ts'
import type { Authenticate, Principal } from '../http/principal.ts'
import { Problem } from '../http/problem.ts'
import type { RateLimits } from '../http/rate-limit.ts'
import { authFrame, closeCodes, longestClientFrame, type ErrorCode } from './frames.ts'
import { hearing } from './hearing.ts'
import type { Hub } from './hub.ts'
import { createListener } from './listener.ts'
import { resume, tooFarBack } from './resume.ts'

export type FeedDeps = {
  readonly hub: Hub
  readonly store: EventStore
  readonly authenticate: Authenticate
  /** Counts a token that is none, together with those of the API. @throws 429 when the address had too many of them lately. */
  readonly countFailure: RateLimits['countFailure']
  readonly log: { readonly warn: (fields: object, message: string) => void }
  /** For tests: the contract's 10 s, 30 s and 1 MiB. */
  readonly authTimeoutMs?: number
  readonly heartbeatMs?: number
  readonly slowBeyond?: number
}

export type Feed = {
  /** Whether a request that asks for another protocol is for us; any other is answered without it. */
  readonly wants: (req: IncomingMessage) => boolean
  /** For the server's `upgrade` event, with what is wanted. */
  readonly upgrade: (req: IncomingMessage, socket: Duplex, head: Buffer) => void
  readonly connections: () => number
  /** Closes every connection with 1001 (going away): clients come back with their position. */
  readonly close: () => Promise<void>
}

/**
 * `GET /v1/feed`. A connection: connected → (auth frame within 10 s) → hello → what was missed → live, and closed from anywhere.
 * The token comes in the first frame and never in the address, which ends in logs. No cookie is looked at, so another site's page can do nothing with it.
 */
export function createFeed(deps: FeedDeps): Feed {
  const server = new WebSocketServer({ noServer: true, maxPayload: longestClientFrame, perMessageDeflate: false })
  const answered = new WeakSet<WebSocket>()

  const heartbeat = setInterval(() => {
    for (const socket of server.clients) {
      if (!answered.has(socket)) {
        socket.terminate()
        continue
      }
      answered.delete(socket)
      socket.ping()
    }
  }, deps.heartbeatMs ?? 30_000)
  heartbeat.unref()

  function connected(socket: WebSocket, req: IncomingMessage): void {
    const address = req.socket.remoteAddress ?? 'unknown'
    answered.add(socket)
    socket.on('pong', () => answered.add(socket))
    // A broken frame or a reset ends in `close`, where everything is cleaned up.
    socket.on('error', () => undefined)
    const waited = setTimeout(() => refuse(socket, 'auth_timeout'), deps.authTimeoutMs ?? 10_000)
    socket.once('close', () => clearTimeout(waited))
    socket.once('message', (data, isBinary) => {
      clearTimeout(waited)
      // Later frames say nothing that is known here; a client that sends its own pings or a newer version's words is not worse off for it.
      begin(socket, isBinary ? 'invalid_frame' : readAuth(data), address).catch((error: unknown) => {
        deps.log.warn({ err: error }, 'a feed connection could not be served')
        socket.close(1011)
      })
    })
  }

  /** The same answer for every wrong token, until there were too many of them. */
  async function reject(socket: WebSocket, code: ErrorCode, address: string): Promise<void> {
    if (code !== 'unauthorized') return refuse(socket, code)
    try {
      await deps.countFailure(address)
      refuse(socket, 'unauthorized')
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      refuse(socket, 'rate_limited')
    }
  }

  async function begin(socket: WebSocket, auth: Auth | ErrorCode, address: string): Promise<void> {
    if (typeof auth === 'string') return reject(socket, auth, address)
    const { hub, store } = deps
    const who = admit(deps.authenticate, auth)
    if (typeof who === 'string') return reject(socket, who, address)

    await hub.started
    const listener = createListener(socket, {
      tenantId: who.tenantId,
      hearing: hearing(auth.topics, who.scopes, who.kind === 'operator'),
      published: hub.published,
      recheck: () => {
        const still = admit(deps.authenticate, auth)
        if (typeof still === 'string') refuse(socket, still)
      },
      ...(deps.slowBeyond === undefined ? {} : { slowBeyond: deps.slowBeyond }),
    })
    socket.once('close', () => hub.remove(listener))

    const after = parsePosition(auth.after ?? '')
    const from = after ?? (await present(hub))
    if (from === undefined || listener.closed()) return
    listener.note({ type: 'hello', position: from })
    if (after !== undefined && (await tooFarBack(store, who.tenantId, after))) {
      const now = await present(hub)
      if (now === undefined) return
      listener.note({ type: 'resync', position: now })
      return resume(hub, store, listener, now)
    }
    return resume(hub, store, listener, from)
  }

  server.on('connection', connected)
  return {
    wants: ({ url, headers }) => (url === '/v1/feed' || url?.startsWith('/v1/feed?') === true) && headers.upgrade?.toLowerCase() === 'websocket',
    upgrade: (req, socket, head) => server.handleUpgrade(req, socket, head, (ws) => server.emit('connection', ws, req)),
    connections: () => server.clients.size,
    async close() {
      clearInterval(heartbeat)
      for (const socket of server.clients) socket.close(1001)
      const impatient = setTimeout(() => {
        for (const socket of server.clients) socket.terminate()
      }, 1000)
      await Promise.all([...server.clients].map((socket) => new Promise((resolve) => socket.once('close', resolve))))
      clearTimeout(impatient)
      server.close()
    },
  }
}

type Auth = z.infer<typeof authFrame>

function readAuth(data: RawData): Auth | ErrorCode {
  let frame: unknown
  try {
    frame = JSON.parse((data as Buffer).toString('utf8'))
  } catch {
    return 'invalid_frame'
  }
  const read = authFrame.safeParse(frame)
  if (read.success) return read.data
  // An auth frame whose token cannot be one is a bad credential like any other, not a client that speaks another protocol.
  const wrong = new Set(read.error.issues.map(({ path }) => path[0]))
  return wrong.has('token') && !wrong.has('type') ? 'unauthorized' : 'invalid_frame'
}

/** Who listens and to which tenant, or why not. */
function admit(authenticate: Authenticate, auth: Auth): Pick<Principal, 'kind' | 'tenantId' | 'scopes'> | ErrorCode {
  const principal = authenticate(auth.token, auth.tenant ?? undefined)
  if (principal === undefined || principal === 'unknown_tenant') return 'unauthorized'
  if (!covers(principal.scopes, 'feed:read')) return 'forbidden'
  if (principal.tenantId === platformTenant) return 'tenant_required'
  if (principal.tenantStatus !== 'active') return 'tenant_suspended'
  return principal
}

function refuse(socket: WebSocket, code: ErrorCode): void {
  if (socket.readyState !== socket.OPEN) return
  socket.send(JSON.stringify({ type: 'error', code }))
  socket.close(closeCodes[code], code)
}

/** The place that the read models have certainly reached, so that what a client loads after `hello` is not older than it. */
async function present(hub: Hub): Promise<Position | undefined> {
  const position = hub.published()
  return (await hub.shown(position)) ? position : undefined
}
