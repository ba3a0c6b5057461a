import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, chmodSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSimulator } from '../../simulator/simulator.ts'
import { freePort, startRecado, type RunningRecado } from '../support/processes.ts'
import { startThrowAwayPostgres } from '../support/postgres-server.ts'
import { clusterSweep } from './cluster.ts'
import { startEngines } from './engines.ts'
import { killRebuilds, type RebuildKills } from './rebuild-kills.ts'
import { answerEverybody, checkOutcome, lanes, type Page } from './outcome.ts'
import { createScenario } from './scenario.ts'

export type SweepOptions = {
  readonly kills: number
  readonly seed: number
  /** `EVENT_STORE` and the like; nothing of it: the program as it comes. */
  readonly engines?: Readonly<Record<string, string>>
  readonly log?: (line: string) => void
}
export type SweepReport = {
  readonly kills: number
  readonly acknowledged: number
  readonly messages: number
  readonly statuses: number
  readonly wrong: readonly string[]
}

const secret = 'sweep-app-secret'
const operatorKey = 'sweep-operator-key'
const phoneNumberId = '300300300300300'
const phones = Array.from({ length: 12 }, (_, n) => `5491144440${String(n).padStart(3, '0')}`)

/**
 * The whole program as a newcomer has it (embedded PostgreSQL and all), killed with -9 at random moments while webhooks pour in, repeated, shuffled and
 * re-batched. Whatever was acknowledged must be there once; statuses and unread counts must be what an undisturbed run in order would show.
 */
export async function sweep({ kills, seed, engines = {}, log = () => undefined }: SweepOptions): Promise<SweepReport> {
  const dataDir = mkdtempSync(join(tmpdir(), 'recado-sweep-'))
  chmodSync(dataDir, 0o755)
  const simulator = await startSimulator({
    appSecret: secret,
    verifyToken: 'sweep',
    switches: {
      window: 'off',
      pair_limit: false,
      throughput_per_second: 0,
      auto_deliver: false,
      drop_statuses: ['sent', 'delivered', 'read'],
      auto_customers: true,
    },
  })
  const number = simulator.addNumber({ phone_number_id: phoneNumberId, waba_id: '400400400400400' })
  const token = simulator.addToken()
  const port = await freePort()
  const env = {
    ...engines,
    // Topics of its own: a broker may have those of another run.
    ...('KAFKA_BROKERS' in engines ? { KAFKA_TOPIC_PREFIX: `sweep-${randomUUID().slice(0, 8)}` } : {}),
    RECADO_DATA_DIR: dataDir,
    RECADO_DEMO: '0',
    RECADO_OPERATOR_KEY: operatorKey,
    META_APP_SECRET: secret,
    META_VERIFY_TOKEN: 'sweep',
    META_GRAPH_URL: simulator.url,
    LOG_LEVEL: 'warn',
  }
  const start = async (): Promise<RunningRecado> => startRecado({ env, port })
  let recado = await start()
  const url = `http://127.0.0.1:${port}`
  const wrong: string[] = []
  try {
    const ask = async <T>(method: string, path: string, key: string, body?: unknown): Promise<T> => {
      const answer = await fetch(`${url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
      return (await answer.json()) as T
    }
    const { api_key: apiKey } = await ask<{ api_key: { key: string } }>('POST', '/v1/tenants', operatorKey, { name: 'Sweep', slug: 'sweep' })
    const key = apiKey.key
    await ask('POST', '/v1/channels', key, {
      kind: 'business',
      name: 'Sweep',
      phone_number_id: number.id,
      waba_id: number.waba_id,
      access_token: token,
      verify: false,
    })
    const every = async <T>(path: string): Promise<T[]> => {
      const all: T[] = []
      for (let cursor: string | null = ''; cursor !== null;) {
        const separator = path.includes('?') ? '&' : '?'
        const page: Page<T> = await ask('GET', `${path}${separator}limit=200${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`, key)
        all.push(...page.data)
        cursor = page.next_cursor
      }
      return all
    }

    // What was acknowledged, by its bytes. A delivery that got no 200 is sent again until it does, as Meta would.
    const acknowledged = new Set<string>()
    const deliver = async ({ body, signature }: { body: string; signature: string }): Promise<void> => {
      for (;;) {
        const status = await fetch(`${url}/webhooks/meta`, { method: 'POST', body, headers: { 'x-hub-signature-256': signature } }).then(
          (answer) => answer.status,
          () => 0,
        )
        if (status === 200) {
          acknowledged.add(body)
          return
        }
        if (status !== 0 && status !== 503) wrong.push(`a delivery was answered with ${status}`)
        await sleep(20)
      }
    }
    const settled = async (): Promise<void> => {
      const began = performance.now()
      for (let calm = 0; calm < 3;) {
        const progress = await ask<{ name: string; lag_events: number | null; parked: number }[]>('GET', '/v1/projections', key)
        if (progress.some(({ parked }) => parked > 0)) throw new Error('events were parked')
        const behind = progress.filter(({ lag_events: lag }) => lag !== 0).map(({ name, lag_events: lag }) => `${name} (${lag ?? 'unknown'})`)
        calm = behind.length === 0 ? calm + 1 : 0
        if (performance.now() - began > 300_000)
          throw new Error(`after five minutes there are still behind: ${behind.join(', ')}\n${recado.lines.slice(-30).join('\n')}`)
        await sleep(100)
      }
    }

    const scenario = createScenario({ seed, phoneNumberId, phones, secret })
    for (const phone of phones) await deliver(scenario.opening(phone))
    await settled()
    const outgoing = await answerEverybody({ post: (path, body) => ask('POST', path, key, body), every, simulator })

    for (let kill = 1; kill <= kills; kill++) {
      const deliveries = scenario.chunk(60, outgoing)
      const pouring = Promise.all(
        lanes(deliveries, 16).map(async (lane) => {
          for (const delivery of lane) await deliver(delivery)
        }),
      )
      await sleep(scenario.random() * 400)
      await recado.kill()
      recado = await start()
      await pouring
      if (kill % 10 === 0) log(`  ${kill} kills, ${acknowledged.size} deliveries acknowledged`)
    }
    await settled()

    const { messages, statuses } = await checkOutcome({ every, acknowledged: acknowledged.size, expected: scenario.expected, phones, wrong })
    return { kills, acknowledged: acknowledged.size, messages, statuses, wrong }
  } finally {
    await recado.stop()
    await simulator.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

async function rebuildSweep(options: SweepOptions): Promise<RebuildKills> {
  const server = await startThrowAwayPostgres()
  try {
    return await killRebuilds({ ...options, server: server.url })
  } finally {
    await server.stop()
  }
}

/** `--eventstoredb`, `--kafka`: with the log and the source of read models there. */
async function onEngines<Report>(run: (engines: Readonly<Record<string, string>>) => Promise<Report>): Promise<Report> {
  const engines = await startEngines({ eventstoredb: process.argv.includes('--eventstoredb'), kafka: process.argv.includes('--kafka') })
  try {
    return await run(engines.env)
  } finally {
    await engines.stop()
  }
}

if (import.meta.main) {
  const argument = (name: string, otherwise: number): number => Number(process.argv[process.argv.indexOf(name) + 1]) || otherwise
  const options = {
    kills: process.argv.includes('--kills') ? argument('--kills', 200) : 200,
    seed: process.argv.includes('--seed') ? argument('--seed', 1) : Date.now() % 100_000,
    log: console.log,
  }
  // `--rebuild`: the rebuild of read models is killed, and not the whole program under webhooks. `--cluster`: several processes, one of them at a time.
  const report = process.argv.includes('--rebuild')
    ? await rebuildSweep(options)
    : process.argv.includes('--cluster')
      ? await onEngines(async (engines) =>
          clusterSweep({ ...options, engines, until: { seconds: 60 * argument('--minutes', 5) }, everyMs: 1_000 * argument('--every', 10) }),
        )
      : await onEngines(async (engines) => sweep({ ...options, engines }))
  console.log(JSON.stringify(report, undefined, 2))
  process.exit(report.wrong.length === 0 ? 0 : 1)
}
