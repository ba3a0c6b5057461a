import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freshDatabase } from '../support/database.ts'
import { freePort } from '../support/processes.ts'
import { startBrokenInPostgres } from './broken-in-postgres.ts'
import { appSecret, createInstallation } from './installation.ts'
import { machineLoad, spread, type Spread } from './load.ts'
import { runLoad } from './load/run.ts'

const contenders = ['recado', 'express + hmac', 'express + hmac + insert', 'bare node + hmac'] as const
type Contender = (typeof contenders)[number]

export type WebhookBench = {
  readonly perSecond: Readonly<Record<Contender, Spread>>
  readonly p99: Readonly<Record<Contender, Spread>>
  /** Medians of the ratios of rounds. */
  readonly ofExpress: number
  readonly ofBareNode: number
}

/**
 * (b) Webhook deliveries acknowledged per second at 256 connections, each of 1.2 KB with its own signature. Recado answers after the sealed delivery is
 * durable; it has the api role, so that intake and read models do not run beside it (what all of it together does is measured end to end). The others as
 * their names say. One load generator for all, interleaved rounds, the first seconds of each turn not counted, the generator and PostgreSQL on the same cores.
 */
export async function benchWebhook({
  rounds = 5,
  seconds = 4,
  leadIn = 3,
  connections = 256,
  log = console.log,
}: { rounds?: number; seconds?: number; leadIn?: number; connections?: number; log?: (line: string) => void } = {}): Promise<WebhookBench> {
  const postgres = await startBrokenInPostgres()
  // A server of its own: its checkpoints and its vacuum must not fall into the others' rounds.
  const plainServer = await startBrokenInPostgres()
  const plain = await freshDatabase(plainServer.url)
  const ackOnly = await createInstallation({ server: postgres.url })
  const started: { stop: () => Promise<unknown> }[] = []
  try {
    const contestant = async (file: string, env: Record<string, string> = {}): Promise<number> => {
      const port = await freePort()
      const path = fileURLToPath(new URL(`contestants/${file}`, import.meta.url))
      const child = spawn(process.execPath, [path], {
        env: { PATH: process.env['PATH'], PORT: String(port), META_APP_SECRET: appSecret, NODE_ENV: 'production', ...env },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      started.push({ stop: () => stopped(child) })
      await once(child.stdout, 'data')
      return port
    }
    const ports: Record<Contender, number> = {
      recado: (await ackOnly.withRoles('api')).port,
      'express + hmac': await contestant('express.ts'),
      'express + hmac + insert': await contestant('express.ts', { DATABASE_URL: plain.url }),
      'bare node + hmac': await contestant('bare.ts'),
    }
    const rates: Record<Contender, number[]> = fill()
    const tails: Record<Contender, number[]> = fill()
    for (let round = -1; round < rounds; round++) {
      for (const name of contenders) {
        await sleep(1_500)
        const { perSecond, p99, statuses } = await runLoad({
          port: ports[name],
          connections,
          seconds: round < 0 ? 6 : seconds,
          leadIn,
          secret: appSecret,
          phoneNumberId: ackOnly.phoneNumberId,
          customers: 5_000,
          run: `${name}-${round}`,
        })
        if (Object.keys(statuses).some((status) => status !== '200')) log(`    ${name}: ${JSON.stringify(statuses)}`)
        if (round < 0) continue
        rates[name].push(perSecond)
        tails[name].push(p99)
      }
      log(`  round ${round < 0 ? 'to warm up' : round + 1}  ${machineLoad()}`)
    }
    const ratio = (to: Contender): number => spread(rates.recado.map((rate, round) => rate / (rates[to][round] ?? Number.NaN))).median
    const result: WebhookBench = {
      perSecond: mapped(rates),
      p99: mapped(tails),
      ofExpress: ratio('express + hmac'),
      ofBareNode: ratio('bare node + hmac'),
    }
    for (const name of contenders) {
      const { median, min, max } = result.perSecond[name]
      log(`  ${name.padEnd(24)} ${Math.round(median)}/s (${Math.round(min)} to ${Math.round(max)})   p99 ${result.p99[name].median.toFixed(0)} ms`)
    }
    log(
      `  recado = ${result.ofExpress.toFixed(2)} × Express + HMAC without a database, ${(100 * result.ofBareNode).toFixed(0)} % of bare node:http + HMAC`,
    )
    return result
  } finally {
    for (const one of started) await one.stop()
    await ackOnly.end()
    await plain.drop()
    await plainServer.stop()
    await postgres.stop()
  }
}

const fill = (): Record<Contender, number[]> => Object.fromEntries(contenders.map((name) => [name, []])) as never
const mapped = (values: Record<Contender, number[]>): Record<Contender, Spread> =>
  Object.fromEntries(contenders.map((name) => [name, spread(values[name])])) as never

async function stopped(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

if (import.meta.main) await benchWebhook()
