import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { startKafka, type KafkaCluster } from './cluster.ts'

/** A run of which Kafka is a part that must not be left out, e.g. in CI: RECADO_REQUIRE=kafka. */
const required = (): boolean => (process.env['RECADO_REQUIRE'] ?? '').split(',').includes('kafka')

/**
 * The broker of this run for a spec file: KAFKA_BROKERS, or one that starts when the first spec file asks and lives as long as the run.
 * Undefined where there can be none: `describe.skipIf((await sharedKafka()) === undefined)`; the run says so once, and fails where Kafka is required.
 * Topics are everybody's: take a prefix of your own.
 */
export async function sharedKafka(): Promise<{ readonly brokers: readonly string[] } | undefined> {
  const at = process.env['RECADO_TEST_KAFKA']
  if (at === undefined) throw new Error('no test broker: run under vitest with kafka-server.ts as global setup')
  const answer = await fetch(at)
  const text = await answer.text()
  if (answer.ok) return { brokers: text.split(',') }
  return missing(text)
}

/** A cluster of this spec file's own, whose brokers may be killed. Undefined where there can be none, with KAFKA_BROKERS too: those are not ours to kill. */
export async function ownKafka(options: Parameters<typeof startKafka>[0] = {}): Promise<KafkaCluster | undefined> {
  // Whether there can be one is asked of the run's broker first: it says so once for all.
  if (process.env['KAFKA_BROKERS'] === undefined && (await sharedKafka()) === undefined) return undefined
  return startKafka(options).catch((error: unknown) => missing(error instanceof Error ? error.message : String(error)))
}

function missing(why: string): undefined {
  if (required()) throw new Error(`Kafka is required here and there is none: ${why}`)
}

/** Vitest's globalSetup. */
export default async function setup(): Promise<() => Promise<void>> {
  let cluster: Promise<KafkaCluster> | undefined
  const given = process.env['KAFKA_BROKERS'] ?? ''
  const brokers = async (): Promise<string> => {
    if (given !== '') return given
    if (cluster === undefined) {
      cluster = startKafka()
      cluster.catch((error: unknown) =>
        console.warn(
          `\nKAFKA IS NOT TESTED in this run: ${String(error)}. Set KAFKA_BROKERS, or have Docker, or a JDK of 17 and Maven on the path.\n`,
        ),
      )
    }
    return (await cluster).brokers.join(',')
  }
  const server = createServer((_, res) => {
    brokers().then(
      (list) => res.end(list),
      (error: unknown) => res.writeHead(503).end(String(error)),
    )
  })
  // A first start on a busy machine, jars and all, outlasts the patience of a server for a quiet request.
  server.requestTimeout = 0
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  process.env['RECADO_TEST_KAFKA'] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return async () => {
    delete process.env['RECADO_TEST_KAFKA']
    server.closeAllConnections()
    server.close()
    await cluster?.then(
      async ({ close }) => close(),
      () => undefined,
    )
  }
}
