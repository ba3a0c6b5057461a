import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { Duplex } from 'node:stream'

/** Who takes connections over, and which. */
export type Upgrades = {
  readonly wants: (req: IncomingMessage) => boolean
  readonly upgrade: (req: IncomingMessage, socket: Duplex, head: Buffer) => void
}

/** There is no listening here: for whoever set HOST and PORT. */
class ListenRefused extends Error {
  override readonly name = 'ListenRefused'
}

/** While we start. */
export const notYet: RequestListener = (_req, res) => {
  res.writeHead(503, { 'Retry-After': '1', 'Content-Length': '0' })
  res.end()
}

/**
 * A server that listens at once and says 503 until it is given something to serve: probes see a process that starts, not one that is missing.
 *
 * Asking for another protocol is an offer that a server may pass over (RFC 9110, 7.8), and some clients offer one with every request: Java's sends `Upgrade: h2c`
 * unless it is told not to. Only what is wanted is taken over, everything else is answered as if nothing had been offered. Node's own choice is all or nothing:
 * with a listener for `upgrade` it hands over every offer.
 */
export async function listen({ host, port }: { host: string; port: number }): Promise<{
  server: Server
  port: number
  serve: (listener: RequestListener, upgrades?: Upgrades) => void
}> {
  let listener: RequestListener = notYet
  let taken: Upgrades | undefined
  const shouldUpgradeCallback = (req: IncomingMessage): boolean => taken?.wants(req) === true
  const server = createServer({ keepAliveTimeout: 65_000, requestTimeout: 60_000, noDelay: true, shouldUpgradeCallback }, (req, res) =>
    listener(req, res),
  )
  server.on('upgrade', (req, socket, head) => {
    if (taken === undefined) socket.destroy()
    else taken.upgrade(req, socket, head)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const inUse = 'code' in error && error.code === 'EADDRINUSE'
      const why = inUse
        ? 'The port is taken by another program. Set PORT to a free one.'
        : `It is not possible to listen there: ${error.message}. Look at HOST and PORT.`
      reject(new ListenRefused(why, { cause: error }))
    })
    server.listen(port, host, resolve)
  })
  const address = server.address()
  return {
    server,
    port: typeof address === 'object' && address !== null ? address.port : port,
    serve(next, upgrades) {
      listener = next
      taken = upgrades
    },
  }
}
