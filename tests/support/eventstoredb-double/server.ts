import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttp2, constants, type Http2Session, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { createServer as createTcp, type AddressInfo, type Socket } from 'node:net'
import { classicAppend } from './append.ts'
import { batchAppend } from './batch-append.ts'
import type { Database } from './database.ts'
import { deleteStream } from './delete.ts'
import { clusterInfo, supportedMethods } from './discovery.ts'
import { createCall, createGate, type Call } from './grpc.ts'
import { read } from './read.ts'
import { refusals } from './refusals.ts'

/**
 * The node before the database: gRPC (HTTP/2 without TLS) and HTTP/1 on one port, told apart by the first byte as Kestrel does.
 * STARTING (accepts, "Server Is Not Ready", health 503) → READY → LEAVING (the port is closed, subscriptions hang on) → GONE.
 */
export async function startServer(database: Database, options: { port: number; host: string; notReadyForMs: number }) {
  let ready = options.notReadyForMs === 0
  const readying = setTimeout(() => {
    ready = true
  }, options.notReadyForMs)
  const sockets = new Set<Socket>()
  const sessions = new Set<ServerHttp2Session>()
  const calls = new Set<Call>()
  const gate = createGate()
  const socketOf = new WeakMap<Http2Session, Socket>()

  const serve = (call: Call): void => {
    if (!ready && !answersEarly.some((method) => call.path.endsWith(method))) return call.refuse(refusals.notReady)
    switch (call.path) {
      case '/event_store.client.streams.Streams/Read':
        return read(call, database)
      case '/event_store.client.streams.Streams/Append':
        return classicAppend(call, database)
      case '/event_store.client.streams.Streams/BatchAppend':
        return batchAppend(call, database, () => ready)
      case '/event_store.client.streams.Streams/Delete':
        return deleteStream(call, database, 'softDelete')
      case '/event_store.client.streams.Streams/Tombstone':
        return deleteStream(call, database, 'tombstone')
      case '/event_store.client.server_features.ServerFeatures/GetSupportedMethods':
        return supportedMethods(call, database)
      case '/event_store.client.gossip.Gossip/Read':
        return clusterInfo(call, database, { host: options.host, port: portOf(tcp.address()) })
      default:
        return call.refuse(refusals.unimplemented)
    }
  }
  // A window of 1 MiB for what comes in: large appends should not wait for their own acknowledgements.
  const http2 = createHttp2({ settings: { initialWindowSize: 1_048_576 } })
  http2.on('session', (session) => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
    session.on('error', () => undefined)
  })
  http2.on('stream', (stream: ServerHttp2Stream, headers) => {
    const reset = (): void => {
      const { session } = stream
      if (session) socketOf.get(session)?.resetAndDestroy()
    }
    const call = createCall(stream, headers, { reset, gate })
    calls.add(call)
    call.onClose(() => calls.delete(call))
    serve(call)
  })
  const http = createHttp((req, res) => plain(req, res, { ready, version: database.version }))

  const tcp = createTcp((socket) => {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    socket.once('readable', () => {
      const first = socket.read(1) as Buffer | null
      if (!first) {
        socket.destroy()
        return
      }
      socket.unshift(first)
      // The P of PRI, with which HTTP/2 begins. What is asked over HTTP/1 here begins with G.
      if (first[0] !== 0x50) http.emit('connection', socket)
      else {
        http2.once('session', (session: ServerHttp2Session) => socketOf.set(session, socket))
        http2.emit('connection', socket)
      }
    })
  })
  await new Promise<void>((listening, failed) => {
    tcp.once('error', failed)
    tcp.listen(options.port, options.host, listening)
  })

  const closePort = (): void => {
    if (tcp.listening) tcp.close()
  }
  return {
    port: portOf(tcp.address()),
    closePort,
    /** As a kill -9 looks from outside: resets, and nobody listens. */
    async kill(): Promise<void> {
      clearTimeout(readying)
      closePort()
      for (const socket of sockets) socket.resetAndDestroy()
      await gone()
    },
    /** As a SIGTERM looks: the port closes at once; open streams are kept for a while and then end by RST_STREAM 0 without a status. */
    async leave(graceMs: number): Promise<void> {
      clearTimeout(readying)
      closePort()
      if (calls.size > 0) await new Promise((done) => setTimeout(done, graceMs))
      for (const call of calls) call.abort(constants.NGHTTP2_NO_ERROR)
      for (const session of sessions) session.close()
      await new Promise((done) => setTimeout(done, 20))
      for (const socket of sockets) socket.destroy()
      await gone()
    },
    /** Cuts every connection that is open now; new ones are welcome. */
    resetConnections(): void {
      for (const socket of sockets) socket.resetAndDestroy()
    },
    /** Takes nothing and says nothing until thawed. Pings it still answers: a freeze that keepalive notices takes a process and SIGSTOP. */
    freeze(): () => void {
      gate.shut()
      return () => gate.open()
    },
    calls: (): number => calls.size,
  }

  async function gone(): Promise<void> {
    while (sockets.size > 0) await new Promise((done) => setImmediate(done))
    http.close()
    http2.close()
  }
}
export type Server = Awaited<ReturnType<typeof startServer>>

/** What is served before the node is ready; a batch append says "not ready" per append. */
const answersEarly = ['/GetSupportedMethods', '/BatchAppend']
const portOf = (address: AddressInfo | string | null): number => (typeof address === 'object' && address ? address.port : 0)

function plain(req: IncomingMessage, res: ServerResponse, { ready, version }: { ready: boolean; version: string }): void {
  if (req.url === '/health/live') return void res.writeHead(ready ? 204 : 503).end()
  if (req.url === '/info') {
    const info = { esVersion: version, state: 'leader', features: {}, authentication: { type: 'internal', properties: {} } }
    return void res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(info))
  }
  res.writeHead(404).end()
}
