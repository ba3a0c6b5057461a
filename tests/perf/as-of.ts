import { createPostgresEventStore } from '../../src/adapters/event-store/postgres/event-store.ts'
import { createTenantLogs } from '../../src/adapters/event-store/postgres/tenant-log.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { threadAsOf } from '../../src/projections/messages/as-of.ts'
import { freshDatabase } from '../support/database.ts'
import { startThrowAwayPostgres } from '../support/postgres-server.ts'
import { machineLoad } from './load.ts'
import { generateLog, idOf, loadLog } from './rebuild/log.ts'

const tenants = Array.from({ length: 8 }, (_, nth) => `0197c0de-0000-7000-8000-${String(nth + 1).padStart(12, '0')}`)
const talkative = '0197c0de-0000-7000-8000-0000000000ff'
const begin = Date.parse('2026-01-01T12:00:00Z')
const apartMs = 150

/** How long it takes to say where a moment is in the log, and what a thread of 1,000 messages was at one: behind the tenant's wall, as the API asks. */
export async function benchAsOf({ events = 2_000_000, asked = 300 }: { events?: number | undefined; asked?: number } = {}): Promise<void> {
  const server = await startThrowAwayPostgres()
  const { url } = await freshDatabase(server.url)
  const pool = createPool({ url, role: 'recado_api', max: 4, name: 'bench api' })
  const workers = createPool({ url, role: 'recado_worker', max: 2, name: 'bench' })
  const store = createPostgresEventStore({ pool: workers, listenUrl: url })
  try {
    console.log(`  loading ${events.toLocaleString('en')} events`)
    await loadLog(url, { events, conversations: Math.round(events / 40), tenants })
    const thread = { events: threadEvents, conversations: 1, tenants: [talkative], after: events, seed: 2 }
    await loadLog(url, thread)
    const logs = createTenantLogs({ pool, head: store.head })
    const randomMoment = (): Date => new Date(begin + Math.random() * events * apartMs)

    const moments = await timed(asked, async (nth) => logs(tenants[nth % tenants.length] ?? '').positionAt(randomMoment()))
    console.log(`  position of a moment: ${moments} (aim 5 ms)  load ${machineLoad().toFixed(1)}`)

    const { position } = await store.head()
    let shown = 0
    const threads = await timed(Math.ceil(asked / 3), async () => {
      const page = await threadAsOf(logs(talkative), { tenantId: talkative, position }, {
        tenantId: talkative,
        conversationId: idOf('conversation', 0),
        limit: 50,
      } as Parameters<typeof threadAsOf>[2])
      shown = page?.rows.length ?? 0
    })
    if (shown !== 50) throw new Error(`the thread shows ${shown} messages`)
    console.log(`  thread of ${messagesIn(thread)} messages as of a position: ${threads} (aim 50 ms)  load ${machineLoad().toFixed(1)}`)
  } finally {
    await store.close()
    await Promise.all([pool.end(), workers.end()])
    await server.stop()
  }
}

const threadEvents = 3_150
const messagesIn = (shape: Parameters<typeof generateLog>[0]): number =>
  generateLog(shape)
    .filter(({ type }) => type === 'MessageReceived' || type === 'MessageQueued')
    .reduce((count) => count + 1, 0)

/** After a few to warm up. */
async function timed(times: number, once: (nth: number) => Promise<unknown>): Promise<string> {
  const took: number[] = []
  for (let nth = 0; nth < times + 20; nth++) {
    const began = performance.now()
    await once(nth)
    if (nth >= 20) took.push(performance.now() - began)
  }
  took.sort((a, b) => a - b)
  const at = (share: number): string => (took[Math.floor(took.length * share)] ?? Number.NaN).toFixed(1)
  return `p50 ${at(0.5)} p99 ${at(0.99)} ms`
}

if (import.meta.main) {
  const place = process.argv.indexOf('--events')
  await benchAsOf({ events: place === -1 ? undefined : Number(process.argv[place + 1]) })
}
