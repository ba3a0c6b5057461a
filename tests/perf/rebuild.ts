import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { parseArgs, promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import packageJson from '../../package.json' with { type: 'json' }
import { copyOf, freshDatabase, type TestDatabase } from '../support/database.ts'
import { startThrowAwayPostgres } from '../support/postgres-server.ts'
import { machineLoad, spread } from './load.ts'
import { loadEmmett, loadLog, type LogShape } from './rebuild/log.ts'

const run = promisify(execFile)
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const baselines = here('baselines/')

type Measured = {
  readonly seconds: number
  readonly events: number
  readonly megabytes: number
  /** Of the process and its threads, without PostgreSQL. Undefined of others' programs. */
  readonly cpuSeconds?: number
  readonly documents?: Readonly<Record<string, number>>
}
type Contest = { readonly name: string; readonly models: string; readonly go: () => Promise<Measured> }

const tenants = Array.from({ length: 8 }, (_, nth) => `0197c0de-0000-7000-8000-${String(nth + 1).padStart(12, '0')}`)
const [inbox, threads, both] = ['conversations', 'messages', 'conversations,messages']

/**
 * Rebuilds and the live writer over one log of `events` events, against reading it at all, against a row per event, and against emmett-postgresql's rebuild
 * of like documents from the same events. Every way in a process of its own, rounds interleaved, medians. What takes a millisecond per event gets the first
 * `slowEvents` of the log only: its rate does not grow with more of them.
 */
export async function benchRebuild({
  events = 300_000,
  slowEvents = 20_000,
  rounds = 3,
  only,
}: { events?: number; slowEvents?: number; rounds?: number; only?: readonly string[] | undefined } = {}): Promise<void> {
  const server = await startThrowAwayPostgres()
  try {
    const shape: LogShape = { events, conversations: Math.max(100, Math.round(events / 40)), tenants }
    const home = await freshDatabase(server.url)
    console.log(`  loading ${events.toLocaleString('en')} events`)
    await loadLog(home.url, shape)
    const emmett = await emmettWith(server.url, { ...shape, events: Math.min(events, slowEvents) })

    const ours =
      (way: string, models: string, most = 0) =>
      async (): Promise<Measured> => {
        await withoutReadModels(home.url)
        return contestant([here('rebuild/contestant.ts'), way, home.url, models, String(most)])
      }
    const theirs = (models: string, page: number) => async (): Promise<Measured> => {
      // A copy for each: it goes on from its checkpoint when it is asked a second time.
      const fresh = await copyOf(emmett)
      try {
        const { seconds, documents } = await contestant([`${baselines}emmett-rebuild.mjs`, 'rebuild', fresh.url, models, String(page)])
        if (models.split(',').some((name) => (documents?.[name] ?? 0) < 100))
          throw new Error(`emmett made too few documents: ${JSON.stringify(documents)}`)
        return { seconds, events: Math.min(events, slowEvents), megabytes: Number.NaN }
      } finally {
        await fresh.drop()
      }
    }
    const contests: Contest[] = [
      { name: 'read-whole', models: inbox, go: ours('read-whole', inbox) },
      { name: 'read', models: inbox, go: ours('read', inbox) },
      { name: 'rebuild', models: inbox, go: ours('rebuild', inbox) },
      { name: 'rebuild', models: threads, go: ours('rebuild', threads) },
      { name: 'rebuild', models: both, go: ours('rebuild', both) },
      { name: 'live', models: inbox, go: ours('live', inbox) },
      { name: 'live', models: threads, go: ours('live', threads) },
      { name: 'live', models: both, go: ours('live', both) },
      { name: 'upserts', models: inbox, go: ours('upserts', inbox, slowEvents) },
      { name: 'emmett', models: inbox, go: theirs(inbox, 100) },
      { name: 'emmett 1000', models: inbox, go: theirs(inbox, 1_000) },
    ]
    const rates = new Map<string, number[]>()
    const memory = new Map<string, number>()
    for (let round = 1; round <= rounds; round++) {
      for (const { name, models, go } of contests) {
        if (only !== undefined && !only.includes(name)) continue
        const label = `${name} ${models}`
        const { seconds, events: done, megabytes, cpuSeconds } = await go()
        rates.set(label, [...(rates.get(label) ?? []), done / seconds])
        memory.set(label, Math.max(megabytes, memory.get(label) ?? 0))
        console.log(
          `  round ${round}  ${label.padEnd(32)} ${Math.round(done / seconds)
            .toLocaleString('en')
            .padStart(
              8,
            )} events/s  ${Number.isNaN(megabytes) ? '' : `${Math.round(megabytes)} MB  `}${cpuSeconds === undefined ? '' : `${((1e6 * cpuSeconds) / done).toFixed(1)} µs of CPU  `}load ${machineLoad().toFixed(1)}`,
        )
      }
    }
    const median = (label: string): number => spread(rates.get(label) ?? []).median
    console.log('  medians')
    for (const [label] of rates) {
      console.log(
        `    ${label.padEnd(32)} ${Math.round(median(label)).toLocaleString('en').padStart(8)} events/s  ${Math.round(memory.get(label) ?? 0)} MB`,
      )
    }
    for (const models of [inbox, threads, both])
      console.log(
        `  rebuild of ${models}: ${percent(median(`rebuild ${models}`) / median(`read-whole ${inbox}`))} of reading the log into objects (aim 60 % for one read ` +
          `model), ${percent(median(`rebuild ${models}`) / median(`read ${inbox}`))} of reading only the data of the events it handles`,
      )
    const single = median(`rebuild ${inbox}`)
    const emmettBest = Math.max(median(`emmett ${inbox}`), median(`emmett 1000 ${inbox}`))
    // Left out where `--only` did not ask for what it is compared with.
    const compared = Number.isFinite(single / median(`upserts ${inbox}`)) && Number.isFinite(single / emmettBest)
    if (compared)
      console.log(
        `  rebuild of ${inbox}: ${times(single / median(`upserts ${inbox}`))} a row per event, ${times(single / emmettBest)} emmett-postgresql (aim 10 ×)`,
      )
  } finally {
    await server.stop()
  }
}

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`
const times = (ratio: number): string => `${ratio.toFixed(1)} ×`

/** What `npm start` gives to node, and what the program sets by itself before its first module (`src/recado.js`). */
const nodeFlags = [
  ...packageJson.scripts.start.split(' ').filter((word) => word.startsWith('--')),
  '--no-allocation-site-pretenuring',
  '--heap-growing-percent=100',
]

async function contestant(args: readonly string[]): Promise<Measured> {
  const { stdout, stderr } = await run(process.execPath, [...nodeFlags, ...args], { maxBuffer: 1 << 26 })
  if (stderr !== '' && process.env['BENCH_VERBOSE'] !== undefined) process.stderr.write(stderr)
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Measured
}

async function emmettWith(server: string, shape: LogShape): Promise<TestDatabase> {
  if (!existsSync(`${baselines}node_modules`)) await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: baselines })
  const database = await freshDatabase(server)
  await run(process.execPath, [`${baselines}emmett-rebuild.mjs`, 'migrate', database.url])
  await loadEmmett(database.url, shape)
  return database
}

/** The log as it is, and nobody who ever read it. */
async function withoutReadModels(url: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ nspname: string }>(`select nspname from pg_namespace where nspname like 'rm\\_%'`)
    for (const { nspname } of rows) await client.query(`drop schema ${nspname} cascade`)
    await client.query('delete from es.generations; delete from es.subscriptions; delete from es.rebuilds; delete from es.parked_events; checkpoint')
  } finally {
    await client.end()
  }
}

if (import.meta.main) await benchRebuild(rebuildOptions())

/** `--events 200000 --rounds 3 --slow-events 20000 --only read,rebuild,live` */
export function rebuildOptions(args: readonly string[] = process.argv.slice(2)): Parameters<typeof benchRebuild>[0] {
  const { values } = parseArgs({
    args: [...args],
    strict: false,
    options: { events: { type: 'string' }, rounds: { type: 'string' }, 'slow-events': { type: 'string' }, only: { type: 'string' } },
  })
  return {
    ...(typeof values.events === 'string' ? { events: Number(values.events) } : {}),
    ...(typeof values.rounds === 'string' ? { rounds: Number(values.rounds) } : {}),
    ...(typeof values['slow-events'] === 'string' ? { slowEvents: Number(values['slow-events']) } : {}),
    ...(typeof values.only === 'string' ? { only: values.only.split(',') } : {}),
  }
}
