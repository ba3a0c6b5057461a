import { createPostgresEventStore } from '../../src/adapters/event-store/postgres/event-store.ts'
import { StoreUnavailable } from '../../src/domain/kernel/event-store.ts'
import { streamRef, type StreamRef } from '../../src/domain/kernel/stream.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { someEvents } from './events.ts'

/**
 * A writer to be killed: `node store-writer.ts '{"url","tenantId","streams","callers","appends"?}'` appends with expected versions to streams that it shares with
 * its brothers, until `appends` of them are stored or for ever, and prints the ids of every acknowledged append on a line of its own, after the acknowledgement.
 */
type Task = { readonly url: string; readonly tenantId: string; readonly streams: number; readonly callers: number; readonly appends?: number }
const task = JSON.parse(process.argv[2] ?? '{}') as Task
const pool = createPool({ url: task.url, role: 'recado_worker', max: 6, name: 'writer' })
const store = createPostgresEventStore({ pool, listenUrl: task.url })
let left = task.appends ?? Number.POSITIVE_INFINITY

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
await store.close()
await pool.end()
