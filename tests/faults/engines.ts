import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startDoubleProcess } from '../support/eventstoredb-double/process.ts'
import { withLogOfItsOwn } from '../support/eventstoredb-server.ts'
import { startKafka } from '../support/kafka/cluster.ts'
import { auditTopic } from '../support/kafka/topic-audit.ts'
import { withLogOf } from './what-is-behind.ts'

type Env = Readonly<Record<string, string>>
export type Engines = { readonly env: Env; readonly stop: () => Promise<void> }

/** The engines beside PostgreSQL that an installation under torment uses: those that the environment names, else started for it. */
export async function startEngines({ eventstoredb, kafka }: { eventstoredb: boolean; kafka: boolean }): Promise<Engines> {
  const stops: (() => Promise<unknown>)[] = []
  const env: Record<string, string> = {}
  if (eventstoredb) {
    env['EVENT_STORE'] = 'eventstoredb'
    env['EVENTSTOREDB_URL'] = withLogOfItsOwn(process.env['EVENTSTOREDB_URL'] ?? (await ownDouble(stops)))
  }
  if (kafka) {
    env['PROJECTION_SOURCE'] = 'kafka'
    env['KAFKA_BROKERS'] = process.env['KAFKA_BROKERS'] ?? (await ownBroker(stops))
  }
  return { env, stop: async () => void (await Promise.all(stops.map((stop) => stop()))) }
}

async function ownDouble(stops: (() => Promise<unknown>)[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'recado-double-'))
  const double = await startDoubleProcess({ data: join(folder, 'log') })
  console.error('*** EventStoreDB: protocol double only, no real server (EVENTSTOREDB_URL names one) ***')
  stops.push(async () => {
    await double.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  return double.url
}

async function ownBroker(stops: (() => Promise<unknown>)[]): Promise<string> {
  const cluster = await startKafka()
  stops.push(cluster.close)
  return cluster.brokers.join(',')
}

/**
 * The topic is the log: the same events, each once, in the order of their streams. `stopped`: ends every process once the topic has all there is, for
 * nobody may be publishing while it is looked through in the end.
 */
export async function checkTopic(env: Env, wrong: string[], stopped: () => Promise<void>): Promise<{ published: number } | undefined> {
  const brokers = env['KAFKA_BROKERS']?.split(',')
  if (brokers === undefined) return undefined
  return withLogOf(env, async (store) => {
    const audit = async () => auditTopic(store, brokers, `${env['KAFKA_TOPIC_PREFIX']}.events`)
    for (let tries = 0; tries < 60 && (await audit()).missing > 0; tries++) await sleep(500)
    await stopped()
    const { events, published, ...faults } = await audit()
    if (events !== published || Object.values(faults).some((count) => count > 0))
      wrong.push(`the topic: ${JSON.stringify({ events, published, ...faults })}`)
    return { published }
  })
}
