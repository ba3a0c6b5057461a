import { GenericContainer, Wait } from 'testcontainers'
import { startDouble } from './eventstoredb-double/double.ts'

/** An EventStoreDB for a suite. `kind` tells what it proves: only `double` is no real server. */
export type EventStoreDbServer = { readonly url: string; readonly kind: 'url' | 'docker' | 'double'; readonly stop: () => Promise<void> }

const image = 'eventstore/eventstore:23.10.6-jammy'
const port = 2113

/**
 * The server that `EVENTSTOREDB_URL` names, else one in Docker, else the protocol double; which of them, it says, and loudly when nothing real was there.
 * Its log is not empty when it is shared: a suite begins where the log ends.
 */
export async function eventStoreDbServer(): Promise<EventStoreDbServer> {
  const url = process.env['EVENTSTOREDB_URL']
  if (url !== undefined && url !== '') return { url, kind: 'url', stop: () => Promise.resolve() }
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
