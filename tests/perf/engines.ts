import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { createEventStoreDbEventStore } from '../../src/adapters/event-store/eventstoredb/event-store.ts'
import { createPostgresEventStore } from '../../src/adapters/event-store/postgres/event-store.ts'
import { createAttachmentSeal } from '../../src/adapters/keyring/attachment-seal.ts'
import type { EventMeta } from '../../src/domain/kernel/envelope.ts'
import type { EventStore } from '../../src/domain/kernel/event-store.ts'
import { streamRef } from '../../src/domain/kernel/stream.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { freshDatabase } from '../support/database.ts'
import { startDoubleProcess } from '../support/eventstoredb-double/process.ts'
import { glassVault } from '../support/glass-vault.ts'
import { startThrowAwayPostgres } from '../support/postgres-server.ts'
import { runRecado } from '../support/processes.ts'
import { caughtUp } from './end-to-end.ts'
import { appSecret, createInstallation } from './installation.ts'
import { eventData, machineLoad, ownStreams, underLoad, type Measured } from './load.ts'
import { runLoad } from './load/run.ts'

type Engine = {
  readonly name: string
  /** What the program has to be told. */
  readonly env: Readonly<Record<string, string>>
  readonly open: (url: string) => Promise<{ store: EventStore; close: () => Promise<unknown> }>
  /** One awaited append for every event, as the engine's own client is used by most. */
  readonly plain?: (options: Load) => Promise<Measured>
  readonly stop: () => Promise<unknown>
}
type Load = { readonly callers: number; readonly ms: number }

const warmUpMs = 1_000
const tenants = Array.from({ length: 20 }, () => randomUUID())
const attachments = createAttachmentSeal(glassVault)

/**
 * (h) The same work on each engine, side by side, so that an operator can choose: appends, deliveries, webhooks acknowledged, messages visible, rebuild.
 * PostgreSQL always; EventStoreDB at EVENTSTOREDB_URL (an empty server of its own), without it the protocol double, which says nothing about a server's speed:
 * it shows only that the bench runs, and what the adapter itself costs.
 */
export async function benchEngines({
  seconds = 10,
  callers = 256,
  log = console.log,
}: { seconds?: number; callers?: number; log?: (line: string) => void } = {}): Promise<void> {
  const postgres = await startThrowAwayPostgres()
  try {
    for (const start of [onPostgres, onEventStoreDb]) {
      const engine = await start()
      try {
        log(`  ${engine.name}`)
        await wholeProgram(engine, { server: postgres.url, seconds, log })
        await storeAlone(engine, { server: postgres.url, callers, ms: seconds * 1_000, log })
      } finally {
        await engine.stop()
      }
    }
  } finally {
    await postgres.stop()
  }
}

const onPostgres = (): Promise<Engine> =>
  Promise.resolve({
    name: 'PostgreSQL',
    env: { EVENT_STORE: 'postgres' },
    open(url) {
      const pool = createPool({ url, role: 'recado_worker', max: 6, name: 'bench' })
      const store = createPostgresEventStore({ pool, listenUrl: url, attachments })
      return Promise.resolve({ store, close: async () => store.close().then(() => pool.end()) })
    },
    stop: () => Promise.resolve(),
  })

async function onEventStoreDb(): Promise<Engine> {
  const given = process.env['EVENTSTOREDB_URL']
  const folder = mkdtempSync(join(tmpdir(), 'recado-bench-'))
  const double = given === undefined || given === '' ? await startDoubleProcess({ data: join(folder, 'log'), maxAppendSize: 8_388_608 }) : undefined
  const url = double?.url ?? given ?? ''
  return {
    name: double === undefined ? 'EventStoreDB' : 'EventStoreDB: PROTOCOL DOUBLE, no real server. These figures say nothing about its speed',
    env: { EVENT_STORE: 'eventstoredb', EVENTSTOREDB_URL: url },
    async open() {
      const store = createEventStoreDbEventStore({ url, attachments })
      await store.ready({ log: { info: () => undefined, warn: () => undefined } })
      return { store, close: store.close }
    },
    plain: async (load) => plainAppends(url, load),
    async stop() {
      await double?.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** First, while the log holds nothing else: made-up events of the store's own bench would be a poison for read models. */
async function wholeProgram(
  engine: Engine,
  { server, seconds, log }: { server: string; seconds: number; log: (line: string) => void },
): Promise<void> {
  const installation = await createInstallation({ server, env: engine.env })
  try {
    const options = { connections: 256, secret: appSecret, phoneNumberId: installation.phoneNumberId, customers: 5_000 }
    await runLoad({ ...options, port: installation.recado.port, seconds: 3, run: 'warm-up' })
    await caughtUp(installation)
    const began = performance.now()
    const flood = await runLoad({ ...options, port: installation.recado.port, seconds, run: 'flood' })
    await caughtUp(installation)
    const visible = (flood.statuses['200'] ?? 0) / ((performance.now() - began) / 1_000)
    const rebuilt = await runRecado(['projections', 'rebuild', 'conversations', 'messages', '--follow'], {
      ...engine.env,
      DATABASE_URL: installation.databaseUrl,
    })
    const last = rebuilt.lines.findLast((line) => line.includes('events/s')) ?? rebuilt.lines.at(-1)
    const api = await installation.withRoles('api')
    const acks = await runLoad({ ...options, port: api.port, seconds, run: 'acks' })
    log(
      `    webhooks acknowledged, api alone   ${Math.round(acks.perSecond)}/s  p50 ${acks.p50.toFixed(0)} p99 ${acks.p99.toFixed(0)} ms  ${JSON.stringify(acks.statuses)}`,
    )
    log(`    acknowledged and visible           ${Math.round(visible)} messages/s`)
    log(
      `    rebuild of two read models         ${/(\d+) events\/s/.exec(last ?? '')?.[1] ?? `? (${last})`} events/s  load ${machineLoad().toFixed(1)}`,
    )
  } finally {
    await installation.end()
  }
}

async function storeAlone(
  engine: Engine,
  { server, callers, ms, log }: { server: string; callers: number; ms: number; log: (line: string) => void },
): Promise<void> {
  const database = await freshDatabase(server)
  const { store, close } = await engine.open(database.url)
  const tell = (what: string, { perSecond, p50, p99 }: Measured): void =>
    log(`    ${what.padEnd(34)} ${Math.round(perSecond)}/s  p50 ${p50.toFixed(1)} p99 ${p99.toFixed(1)} ms  load ${machineLoad().toFixed(1)}`)
  try {
    const run = randomUUID().slice(0, 8)
    const streamOf = ownStreams(callers, 20_000)
    let nth = 0
    const appends = await underLoad({ callers, warmUpMs, ms }, async (caller) => {
      const { nth: stream, version } = streamOf(caller)
      const id = `${run}-${String(stream)}`
      const { outcome } = await store.append({
        stream: streamRef('conversation', tenants[stream % 20] ?? '', id),
        expected: version,
        events: [event(++nth)],
      })
      if (outcome !== 'appended') throw new Error(`${outcome} in the bench`)
    })
    tell(`appends, ${callers} callers`, appends)
    const body = randomBytes(1_200)
    const deliveries = await underLoad({ callers, warmUpMs, ms }, async () => {
      const stream = streamRef('delivery', tenants[++nth % 20] ?? '', randomUUID())
      await store.append({ stream, expected: 0, events: [{ ...event(nth), type: 'WebhookReceived', attachment: body }] })
    })
    tell('deliveries with bodies', deliveries)
    const plain = await engine.plain?.({ callers, ms })
    if (plain === undefined) return
    tell('one awaited append per event', plain)
    log(
      `    of that rate: appends ${(appends.perSecond / plain.perSecond).toFixed(1)} ×, deliveries ${(deliveries.perSecond / plain.perSecond).toFixed(1)} ×`,
    )
  } finally {
    await close()
    await database.drop()
  }
}

const event = (nth: number) => {
  const { data, meta } = eventData(nth)
  return { id: randomUUID(), type: 'MessageReceived', schemaVersion: 1, data, meta: meta as EventMeta }
}

/** The path with honest deadlines and errors (per-call credentials), each event awaited. */
async function plainAppends(url: string, { callers, ms }: Load): Promise<Measured> {
  const client = EventStoreDBClient.connectionString(url)
  const streamOf = ownStreams(callers, 20_000)
  const run = randomUUID().slice(0, 8)
  let nth = 0
  try {
    return await underLoad({ callers, warmUpMs, ms }, async (caller) => {
      const { nth: stream, version } = streamOf(caller)
      const { id, type, data, meta } = event(++nth)
      const events = [jsonEvent({ id, type, data: data as Record<string, string>, metadata: { ...meta } })]
      const expectedRevision = version === 0 ? 'no_stream' : BigInt(version - 1)
      await client.appendToStream(`plain-${run}-${stream}`, events, { expectedRevision, credentials: { username: 'bench', password: 'ignored' } })
    })
  } finally {
    await client.dispose()
  }
}

if (import.meta.main) await benchEngines({ seconds: process.argv.includes('--long') ? 60 : 10 })
