import { randomUUID } from 'node:crypto'
import { GenericContainer, Wait } from 'testcontainers'
import { startDouble } from './eventstoredb-double/double.ts'

/** An EventStoreDB for a suite. `kind` tells what it proves: only `double` is no real server. */
export type EventStoreDbServer = { readonly url: string; readonly kind: 'url' | 'docker' | 'double'; readonly stop: () => Promise<void> }

const image = 'eventstore/eventstore:23.10.6-jammy'
const port = 2113

/**
 * The server that `EVENTSTOREDB_URL` names, else one in Docker, else the protocol double; which of them, it says, and loudly when nothing real was there.
 * The server may be shared and full of other things: each caller is given a log of its own on it.
 */
export async function eventStoreDbServer(): Promise<EventStoreDbServer> {
  const url = process.env['EVENTSTOREDB_URL']
  const server: EventStoreDbServer = url !== undefined && url !== '' ? { url, kind: 'url', stop: () => Promise.resolve() } : await ownServer()
  return { ...server, url: withLogOfItsOwn(server.url) }
}

/** The address of a log that nobody has used yet. */
export const withLogOfItsOwn = (url: string): string => url.replace(/^([^:]+:\/\/[^/?]+)\/?[^?]*/, `$1/t${randomUUID().slice(0, 8)}`)

/** The same log, asked for at another address: a relay in front of the server. */
export const through = (url: string, address: string): string => url.replace(/^([^:]+:\/\/)[^/?]+/, `$1${address}`)

async function ownServer(): Promise<EventStoreDbServer> {
  const container = process.env['RECADO_NO_DOCKER'] === undefined ? await inDocker() : undefined
  if (container !== undefined) return container
  say('EventStoreDB: protocol double only, no real server')
  const double = await startDouble()
  return { url: double.url, kind: 'double', stop: () => double.stop() }
}

async function inDocker(): Promise<EventStoreDbServer | undefined> {
  try {
    const container = await new GenericContainer(image)
      .withEnvironment({ EVENTSTORE_INSECURE: 'true', EVENTSTORE_MEM_DB: 'true', EVENTSTORE_MAX_APPEND_SIZE: '8388608' })
      .withExposedPorts(port)
      .withWaitStrategy(Wait.forHttp('/health/live', port).forStatusCode(204))
      .start()
    // Not the module's own connection string: its kurrentdb:// is refused by the client.
    const url = `esdb://${container.getHost()}:${container.getMappedPort(port)}?tls=false`
    return { url, kind: 'docker', stop: async () => void (await container.stop()) }
  } catch {
    // No engine, or no way to the image: the double then says so.
    return undefined
  }
}

let said = false
function say(line: string): void {
  if (said) return
  said = true
  process.stderr.write(`\n*** ${line} ***\n\n`)
}
