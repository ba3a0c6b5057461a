import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createPostgresEventStore } from '../../src/adapters/event-store/postgres/event-store.ts'
import type { EventMeta } from '../../src/domain/kernel/envelope.ts'
import { streamRef } from '../../src/domain/kernel/stream.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { freshDatabase } from '../support/database.ts'
import { startThrowAwayPostgres } from '../support/postgres-server.ts'
import { createRawInserts } from './baselines/raw-insert.ts'
import { eventData, machineLoad, ownStreams, spread, underLoad, type Measured, type Spread } from './load.ts'

export type AppendBenchOptions = {
  /** A server to make databases on; a throw-away embedded one when absent. */
  readonly server?: string
  readonly rounds?: number
  readonly seconds?: number
  readonly callers?: readonly number[]
  readonly contenders?: readonly Contender[]
  readonly log?: (line: string) => void
}
const contenders = ['recado', 'raw insert', 'emmett'] as const
export type Contender = (typeof contenders)[number]
export type AppendBench = {
  readonly callers: readonly {
    readonly callers: number
    readonly perSecond: Partial<Record<Contender, Spread>>
    readonly p99: Partial<Record<Contender, number>>
  }[]
  /** Medians of the ratios of rounds, at 256 callers. */
  readonly timesEmmett: number
  readonly ofRawInsert: number
}

const baselines = fileURLToPath(new URL('baselines/', import.meta.url))
const tenants = Array.from({ length: 20 }, () => randomUUID())
const streamCount = 20_000
const warmUpMs = 1_000
const run = promisify(execFile)

/**
 * (a) Appends per second with expected versions, one event of some 600 bytes each on 20,000 streams, against emmett-postgresql and against raw batched
 * inserts (see baselines/raw-insert.ts), interleaved on one server. Medians of rounds; on a busy machine only the ratios mean something.
 */
export async function benchAppend({
  server,
  rounds = 5,
  seconds = 4,
  callers = [1, 32, 256, 1024],
  contenders: chosen = contenders,
  log = console.log,
}: AppendBenchOptions = {}): Promise<AppendBench> {
  const results: AppendBench['callers'][number][] = []
  const own = server === undefined ? await startThrowAwayPostgres() : undefined
  const url = server ?? own?.url ?? ''
  try {
    if (chosen.includes('emmett') && !existsSync(`${baselines}node_modules`)) {
      log('installing the baselines (tests/perf/baselines)')
      await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: baselines })
    }

    for (const count of callers) results.push(await compare(url, { callers: count, rounds, ms: seconds * 1000, chosen, log }))
    const median = (contender: Contender): number => results.find((one) => one.callers === 256)?.perSecond[contender]?.median ?? Number.NaN
    const [timesEmmett, ofRawInsert] = [median('recado') / median('emmett'), median('recado') / median('raw insert')]
    if (Number.isFinite(timesEmmett) && Number.isFinite(ofRawInsert))
      log(
        `at 256 callers: ${timesEmmett.toFixed(1)} × emmett-postgresql (aim 12, floor 8), ${(100 * ofRawInsert).toFixed(0)} % of raw batched INSERT (aim 60, floor 45)`,
      )
    return { callers: results, timesEmmett, ofRawInsert }
  } finally {
    await own?.stop()
  }
}

type Comparison = { callers: number; rounds: number; ms: number; chosen: readonly Contender[]; log: (line: string) => void }

async function compare(server: string, { callers, rounds, ms, chosen, log }: Comparison): Promise<AppendBench['callers'][number]> {
  const measured = new Map<Contender, Measured[]>(chosen.map((contender) => [contender, []]))
  for (let round = 0; round < rounds; round++) {
    for (const contender of chosen) measured.get(contender)?.push(await oneRound(contender, server, callers, ms))
  }
  const perSecond: Partial<Record<Contender, Spread>> = {}
  const p99: Partial<Record<Contender, number>> = {}
  for (const [contender, all] of measured) {
    const rates = spread(all.map((one) => one.perSecond))
    const [typical, late] = [spread(all.map((one) => one.p50)).median, spread(all.map((one) => one.p99)).median]
    perSecond[contender] = rates
    p99[contender] = late
    log(
      `${String(callers).padStart(5)} callers  ${contender.padEnd(10)} ${rates.median.toFixed(0).padStart(6)} appends/s ` +
        `(${rates.min.toFixed(0)}–${rates.max.toFixed(0)})  p50 ${typical.toFixed(1)} ms  p99 ${late.toFixed(1)} ms  load ${machineLoad().toFixed(1)}`,
    )
  }
  return { callers, perSecond, p99 }
}

/** A database of its own for every round: nobody is measured on what another left behind. */
async function oneRound(contender: Contender, server: string, callers: number, ms: number): Promise<Measured> {
  const database = await freshDatabase(server)
  try {
    switch (contender) {
      case 'recado':
        return await recado(database.url, callers, ms)
      case 'raw insert':
        return await rawInsert(database.url, callers, ms)
      case 'emmett': {
        const args = [`${baselines}emmett.mjs`, database.url, String(callers), String(warmUpMs), String(ms)]
        return JSON.parse((await run(process.execPath, args)).stdout) as Measured
      }
      default:
        return contender satisfies never
    }
  } finally {
    await database.drop()
  }
}

async function recado(url: string, callers: number, ms: number): Promise<Measured> {
  const pool = createPool({ url, role: 'recado_worker', max: 4, name: 'bench' })
  const store = createPostgresEventStore({ pool, listenUrl: url, ...lanes })
  const streamOf = ownStreams(callers, streamCount)
  let nth = 0
  try {
    return await underLoad({ callers, warmUpMs, ms }, async (caller) => {
      const { nth: stream, version } = streamOf(caller)
      const { data, meta } = eventData(++nth)
      const result = await store.append({
        stream: streamRef('conversation', tenants[stream % tenants.length] ?? '', `0197c0de-0000-7000-8000-${String(stream).padStart(12, '0')}`),
        expected: version,
        events: [{ id: randomUUID(), type: 'MessageReceived', schemaVersion: 1, data, meta: meta as EventMeta }],
      })
      if (result.outcome !== 'appended') throw new Error(`${result.outcome} in the bench`)
    })
  } finally {
    await store.close()
    await pool.end()
  }
}

async function rawInsert(url: string, callers: number, ms: number): Promise<Measured> {
  const pool = createPool({ url, role: 'owner', max: 2, name: 'bench' })
  const raw = await createRawInserts(pool)
  const streamOf = ownStreams(callers, streamCount)
  let nth = 0
  try {
    return await underLoad({ callers, warmUpMs, ms }, async (caller) => {
      const { nth: stream, version } = streamOf(caller)
      const tenantId = tenants[stream % tenants.length] ?? ''
      const streamId = `conversation-0197c0de-0000-7000-8000-${String(stream).padStart(12, '0')}`
      await raw.insert({ tenantId, streamId, version: version + 1, id: randomUUID(), ...eventData(++nth) })
    })
  } finally {
    await pool.end()
  }
}

const lanes = process.env['BENCH_LANES'] === undefined ? {} : { lanes: Number(process.env['BENCH_LANES']) }

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const number = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise)
  console.log(`Node ${process.version}, ${availableParallelism()} cores, load ${machineLoad().toFixed(1)}`)
  await benchAppend({
    rounds: number('BENCH_ROUNDS', 5),
    seconds: number('BENCH_SECONDS', 4),
    ...(process.env['BENCH_CALLERS'] === undefined ? {} : { callers: process.env['BENCH_CALLERS'].split(',').map(Number) }),
    ...(process.env['BENCH_CONTENDERS'] === undefined ? {} : { contenders: process.env['BENCH_CONTENDERS'].split(',') as Contender[] }),
    ...(process.env['DATABASE_URL'] === undefined ? {} : { server: process.env['DATABASE_URL'] }),
  })
}
