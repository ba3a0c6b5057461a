import { createDatabase, type DatabaseOptions } from './database.ts'
import type { Fault } from './faults.ts'
import { startServer } from './server.ts'

export type DoubleOptions = DatabaseOptions & {
  port?: number
  host?: string
  /** The start-up window in which the port accepts and nothing is served: 1–2.5 s on the real server, none unless asked for. */
  notReadyForMs?: number
}

/**
 * An EventStoreDB without EventStoreDB: a double built from what a real 23.10.6 node was seen to do on the wire, for machines without a server.
 * What it does not prove stands in ADR 0037. In memory unless `persist` is given (main.ts hosts it as a process with its data on disk).
 */
export async function startDouble(options: DoubleOptions = {}) {
  const database = createDatabase(options)
  const host = options.host ?? '127.0.0.1'
  const start = async (port: number) => startServer(database, { port, host, notReadyForMs: options.notReadyForMs ?? 0 })
  let server = await start(options.port ?? 0)
  const { port } = server

  return {
    url: `esdb://${host}:${port}?tls=false`,
    host,
    port,
    /** Lets calls go wrong from now on. @returns what ends it. */
    misbehave: (fault: Fault): (() => void) => database.faults.add(fault),
    behave: (): void => database.faults.clear(),
    /** Ends every live subscription as an overflow of its buffer does (code 10). */
    overflowSubscriptions(): void {
      for (const subscription of database.subscriptions) subscription.overflow()
    },
    resetConnections: (): void => server.resetConnections(),
    /** Hears and says nothing until the returned function is called. Pings are still answered: what keepalive notices takes SIGSTOP (process.ts). */
    freeze: (): (() => void) => server.freeze(),
    /** Holds what is appended in flight, neither readable nor answered, until the returned function is called. */
    pauseDisk: (): (() => void) => database.writer.pause(),
    /** Appends accepted and not on disk yet. */
    inFlight: (): number => database.writer.inFlight(),
    /** Gone without a word and back on the same port with its data, after `downMs`. */
    async restart({ downMs = 0, how = 'kill', graceMs = 0 }: { downMs?: number; how?: 'kill' | 'leave'; graceMs?: number } = {}): Promise<void> {
      await (how === 'kill' ? server.kill() : server.leave(graceMs))
      if (downMs > 0) await new Promise((done) => setTimeout(done, downMs))
      server = await start(port)
    },
    /** Gone until `start`: connections are refused. */
    kill: async (): Promise<void> => server.kill(),
    leave: async (graceMs = 1000): Promise<void> => server.leave(graceMs),
    async start(): Promise<void> {
      server = await start(port)
    },
    scavenge: (): void => database.scavenge(),
    /** Everything in `$all`, without asking over the wire. */
    log: (): typeof database.log.all => database.log.all,
    subscriptions: (): number => database.subscriptions.size,
    async stop(): Promise<void> {
      await database.writer.idle()
      await server.kill()
    },
  }
}
export type Double = Awaited<ReturnType<typeof startDouble>>
