import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { createPostgresEventStore } from '../../../src/adapters/event-store/postgres/event-store.ts'
import { createKafka } from '../../../src/adapters/kafka/client.ts'
import { createEventsPublication } from '../../../src/adapters/kafka/events-publication.ts'
import { runPublisher } from '../../../src/commands/processes/publisher/publisher.ts'
import { createPool } from '../../../src/postgres/pool.ts'

/** A publisher to be killed: `node publisher-process.ts '{"url","brokers","prefix","pageSize"}'`. Says `<records> <position>` for each page that it knows to be there, and its log. */
export type PublisherTask = { readonly url: string; readonly brokers: readonly string[]; readonly prefix: string; readonly pageSize: number }
const { url, brokers, prefix, pageSize } = JSON.parse(process.argv[2] ?? '{}') as PublisherTask
const log = pino({ level: 'info' })
const pool = createPool({ url, role: 'recado_worker', max: 6, name: 'publisher', onError: () => undefined })
const store = createPostgresEventStore({ pool, listenUrl: url })
const ending = new AbortController()
process.once('SIGTERM', () => ending.abort())
await runPublisher({
  publication: createEventsPublication({
    kafka: createKafka({ brokers, tls: false, sasl: undefined, clientId: 'publisher', log }),
    prefix,
    partitions: 4,
    log,
  }),
  store,
  prepare: (events) => events,
  pool,
  owner: randomUUID(),
  log,
  signal: ending.signal,
  pageSize,
  onNews: (news) => {
    if (news.kind === 'published') process.stdout.write(`${news.items} ${news.position}\n`)
  },
})
await store.close()
await pool.end()
// As the program does: what a call that was given up still holds open must not keep it.
process.exit()
