// emmett-postgresql in a process of its own: `node emmett.mjs <url> <callers> <warm-up ms> <ms>` prints what it measured as JSON.
// Its default pool (10 connections), one event per append, expected versions, the same events and streams as the others.
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql'
import { eventData, ownStreams, underLoad } from '../load.ts'

const [url, callers, warmUpMs, ms] = [process.argv[2], ...process.argv.slice(3).map(Number)]
const store = getPostgreSQLEventStore(url)
const streamOf = ownStreams(callers, 20_000)
const run = Math.random().toString(36).slice(2)
let nth = 0

await store.schema.migrate()
const measured = await underLoad({ callers, warmUpMs, ms }, (caller) => {
  const { nth: stream, version } = streamOf(caller)
  const { data, meta } = eventData(++nth)
  return store.appendToStream(`conversation-${run}-${stream}`, [{ type: 'MessageReceived', data, metadata: meta }], {
    expectedStreamVersion: version === 0 ? 'STREAM_DOES_NOT_EXIST' : BigInt(version),
  })
})
console.log(JSON.stringify(measured))
process.exit(0)
