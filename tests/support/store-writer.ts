import { createEventStoreDbEventStore } from '../../src/adapters/event-store/eventstoredb/event-store.ts'
import { createPostgresEventStore } from '../../src/adapters/event-store/postgres/event-store.ts'
import { StoreUnavailable, type EventStore } from '../../src/domain/kernel/event-store.ts'
import { streamRef, type StreamRef } from '../../src/domain/kernel/stream.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { someEvents } from './events.ts'

/**
 * A writer to be killed, on PostgreSQL or, by the scheme of its url, EventStoreDB: `node store-writer.ts '{"url","tenantId","streams","callers","appends"?}'` appends with expected versions to streams that it shares with
 * its brothers, until `appends` of them are stored or for ever, and prints the ids of every acknowledged append on a line of its own, after the acknowledgement.
 */
type Task = { readonly url: string; readonly tenantId: string; readonly streams: number; readonly callers: number; readonly appends?: number }
const task = JSON.parse(process.argv[2] ?? '{}') as Task
const { store, close } = task.url.startsWith('esdb') ? onEventStoreDb() : onPostgres()
let left = task.appends ?? Number.POSITIVE_INFINITY

function onPostgres(): { store: EventStore; close: () => Promise<void> } {
  const pool = createPool({ url: task.url, role: 'recado_worker', max: 6, name: 'writer' })
  const store = createPostgresEventStore({ pool, listenUrl: task.url })
  return { store, close: async () => store.close().then(() => pool.end()) }
}
function onEventStoreDb(): { store: EventStore; close: () => Promise<void> } {
  const store = createEventStoreDbEventStore({ url: task.url })
  return { store, close: store.close }
}

async function version(stream: StreamRef): Promise<number> {
  let last = 0
  for await (const event of store.readStream(stream)) last = event.version
  return last
}

async function caller(): Promise<void> {
  while (left > 0) {
    const stream = streamRef('contact', task.tenantId, `stream-${Math.floor(Math.random() * task.streams)}`)
    const events = someEvents(1 + Math.floor(Math.random() * 3))
    try {
      for (let expected = await version(stream); ;) {
        const result = await store.append({ stream, expected, events })
        if (result.outcome !== 'conflict') break
        expected = result.version
      }
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
      continue
    }
    left--
    process.stdout.write(`${events.map(({ id }) => id).join(' ')}\n`)
  }
}

await Promise.all(Array.from({ length: task.callers }, caller))
await close()
