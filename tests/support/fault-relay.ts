import { connect, createServer, type AddressInfo, type NetConnectOpts, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { createLink, cutOff, type Direction, type Line, type Link } from './fault-relay/link.ts'

/**
 * A network cable that can be damaged: stands between a client and whatever speaks TCP (PostgreSQL, EventStoreDB and its double, Kafka, Meta's side) and hands
 * bytes on as they come until it is told otherwise. It knows nothing of what it carries, so one relay serves all of them.
 *
 * States: PASSING → any mixture of holes, delay and a narrow line, each kept until it is taken away → PASSING by `heal`; DOWN (nobody listens) → by `up`.
 * Nothing that was taken in is ever lost, doubled or reordered while a connection lives: TCP promises that too. What a fault takes is time or the connection.
 *
 * What it can't do: leave a SYN unanswered. In a black hole a new connection opens and then hears nothing, where a real one would hang in `connect`.
 */
export type FaultRelay = {
  readonly host: string
  readonly port: number
  readonly address: string
  /** Open ones, counted at the client's side. */
  readonly connections: () => number
  /** Since the start. */
  readonly stats: () => { readonly accepted: number; readonly toServer: number; readonly toClient: number; readonly cut: number }
  /** Nothing travels, in one direction or in both, and nobody is told: no end, no reset. Those who wait behind a hole go on where they were when it is healed. */
  readonly blackHole: (directions?: Direction | 'both') => void
  /** Every byte needs so long (plus up to `jitterMs`), in each direction; the order is kept and the throughput too. */
  readonly delay: (ms: number, jitterMs?: number) => void
  /** The whole line, all connections together, in each direction. */
  readonly bandwidth: (bytesPerSecond: number) => void
  /** All faults that last are over: holes, delay, bandwidth, cutting. */
  readonly heal: () => void
  /** Ends the connections that are open: with FIN to both sides, as a server that goes in order. New ones are welcome. */
  readonly drop: () => void
  /** The same with RST, as a crashed one. */
  readonly reset: () => void
  /** The server's side of each connection is gone, the client is told nothing and hears nothing, for good: a host that lost its power. New ones are welcome. */
  readonly halfOpen: () => void
  /** Nobody listens any more (ECONNREFUSED), and what was open is reset. */
  readonly down: () => Promise<void>
  /** Listens again, under the same port. */
  readonly up: () => Promise<void>
  /** Asked for every piece of an answer: true cuts the connection instead of handing it on, so that the client can't know what became of its request. */
  readonly cutAnswers: (when: ((answer: Answer) => boolean) | undefined) => void
  /** Where new connections lead, from now on. */
  readonly leadTo: (target: RelayTarget) => void
  readonly close: () => Promise<void>
}

export type Answer = {
  readonly bytes: Buffer
  /** Of this connection, from 0. */
  readonly nth: number
}

/** Host and port, or the path of a Unix socket. */
export type RelayTarget = { readonly host?: string; readonly port: number } | { readonly path: string }

export type RelayOptions = {
  readonly target: RelayTarget
  readonly host?: string
  /** A free one without it. A Kafka broker must know it before it starts: it tells its clients the address to come back to (`advertised.listeners`). */
  readonly port?: number
  /** For jitter: a seeded one makes a run repeatable. */
  readonly random?: () => number
}

type Pair = { readonly client: Socket; readonly server: Socket; readonly links: readonly Link[] }

export async function startFaultRelay({ target, host = '127.0.0.1', port: wanted = 0, random = Math.random }: RelayOptions): Promise<FaultRelay> {
  let leadsTo = target
  let cutWhen: ((answer: Answer) => boolean) | undefined
  const counts = { accepted: 0, toServer: 0, toClient: 0, cut: 0 }
  const line: Line = {
    holes: { toServer: false, toClient: false },
    delayMs: 0,
    jitterMs: 0,
    bytesPerSecond: Number.POSITIVE_INFINITY,
    freeAt: { toServer: 0, toClient: 0 },
    random,
  }
  const pairs = new Set<Pair>()
  /** Clients whose server is gone without their knowledge. */
  const orphans = new Set<Socket>()

  function take(client: Socket): void {
    counts.accepted++
    const server = connect({ ...leadsTo, allowHalfOpen: true } as NetConnectOpts)
    client.setNoDelay(true)
    server.setNoDelay(true)
    let nth = 0
    const links = [
      createLink({ from: client, to: server, direction: 'toServer', line, onBytes: (bytes) => void (counts.toServer += bytes.length) }),
      createLink({
        from: server,
        to: client,
        direction: 'toClient',
        line,
        onBytes(bytes) {
          if (cutWhen?.({ bytes, nth: nth++ }) === true) {
            counts.cut++
            tear(pair, 'reset')
            return 'cut'
          }
          counts.toClient += bytes.length
          return undefined
        },
      }),
    ]
    const pair: Pair = { client, server, links }
    pairs.add(pair)
    const gone = (): void => {
      if (client.destroyed && server.destroyed) pairs.delete(pair)
    }
    client.on('close', gone)
    server.on('close', gone)
  }

  function tear(pair: Pair, how: 'end' | 'reset'): void {
    pairs.delete(pair)
    for (const link of pair.links) link.close()
    for (const side of [pair.client, pair.server]) {
      if (how === 'reset') cutOff(side)
      else side.end(() => side.destroy())
    }
  }

  const tearAll = (how: 'end' | 'reset'): void => {
    for (const pair of pairs) tear(pair, how)
  }
  const wake = (): void => {
    for (const { links } of pairs) for (const link of links) link.wake()
  }

  let listening: Server | undefined
  let port = wanted
  async function up(): Promise<void> {
    if (listening !== undefined) return
    const server = createServer({ allowHalfOpen: true }, take)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, resolve)
    })
    listening = server
    port = (server.address() as AddressInfo).port
  }
  async function down(): Promise<void> {
    const server = listening
    listening = undefined
    const closed = new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)))
    tearAll('reset')
    for (const orphan of orphans) cutOff(orphan)
    await closed
  }
  await up()

  return {
    host,
    port,
    address: `${host}:${port}`,
    connections: () => pairs.size + orphans.size,
    stats: () => ({ ...counts }),
    blackHole(directions = 'both') {
      if (directions !== 'toClient') line.holes.toServer = true
      if (directions !== 'toServer') line.holes.toClient = true
    },
    delay(ms, jitterMs = 0) {
      line.delayMs = ms
      line.jitterMs = jitterMs
      wake()
    },
    bandwidth(bytesPerSecond) {
      line.bytesPerSecond = bytesPerSecond
      line.freeAt = { toServer: 0, toClient: 0 }
      wake()
    },
    heal() {
      Object.assign(line, { holes: { toServer: false, toClient: false }, delayMs: 0, jitterMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY })
      cutWhen = undefined
      wake()
    },
    drop: () => tearAll('end'),
    reset: () => tearAll('reset'),
    halfOpen() {
      for (const { client, server, links } of pairs) {
        for (const link of links) link.close()
        cutOff(server)
        // Read and thrown away: a host without power does not fill up the client's buffers, the cable before it takes everything.
        client.resume()
        orphans.add(client)
        client.on('error', () => undefined).once('close', () => orphans.delete(client))
        client.once('end', () => client.destroy())
      }
      pairs.clear()
    },
    down,
    up,
    cutAnswers(when) {
      cutWhen = when
    },
    leadTo(next) {
      leadsTo = next
    },
    close: down,
  }
}

/** A relay in front of the PostgreSQL of a connection string (a TCP address or a directory of Unix sockets), and the string that leads through it. */
export async function relayedPostgres(url: string, options: Omit<RelayOptions, 'target'> = {}): Promise<{ relay: FaultRelay; url: string }> {
  const address = new URL(url)
  const folder = address.searchParams.get('host')
  const port = Number(address.searchParams.get('port') ?? (address.port || 5432))
  const target = folder?.startsWith('/') === true ? { path: join(folder, `.s.PGSQL.${port}`) } : { host: folder ?? address.hostname, port }
  const relay = await startFaultRelay({ ...options, target })
  const through = new URL(url)
  through.searchParams.delete('host')
  through.searchParams.delete('port')
  // A socket has no certificate, and in front of a TLS server the name would be another one.
  through.searchParams.set('sslmode', 'disable')
  const login = address.username === '' ? '' : `${address.username}${address.password === '' ? '' : `:${address.password}`}@`
  return { relay, url: `postgresql://${login}${relay.address}${address.pathname}${through.search}` }
}
