import { setTimeout as sleep } from 'node:timers/promises'
import { dockerAnswers, dockerNodes } from './docker-broker.ts'
import { localNodes } from './local-broker.ts'
import { plainKafka } from './plain-client.ts'

/** One broker of a cluster, to be treated badly. `start` brings it back under the same address with the same data. */
export type KafkaNode = {
  readonly address: string
  readonly start: () => Promise<void>
  /** kill -9. */
  readonly kill: () => Promise<void>
  /** SIGTERM, resolved when it is gone. */
  readonly stop: () => Promise<void>
  /** SIGSTOP: its connections stay, nothing answers. */
  readonly freeze: () => Promise<void>
  readonly thaw: () => Promise<void>
}

export type Nodes = {
  readonly nodes: readonly (KafkaNode & { readonly ended: () => boolean; readonly said: () => string })[]
  readonly close: () => Promise<void>
}

export type KafkaCluster = {
  /** For `brokers` of a client, or joined by commas for KAFKA_BROKERS. */
  readonly brokers: readonly string[]
  readonly nodes: readonly KafkaNode[]
  /** Resolved when all nodes that should be there are. */
  readonly ready: () => Promise<void>
  /** kill -9 for all of them, and their data is gone. */
  readonly close: () => Promise<void>
}

/**
 * A real Kafka of its own: containers where Docker answers, else processes on a JDK of 17 or newer with jars by Maven.
 * `advertise`: the address that a node tells its clients instead of its own, for a relay in front of it.
 * @throws saying why there can be none here.
 */
export async function startKafka({
  nodes: count = 1,
  advertise = (listen) => Promise.resolve(listen),
}: { nodes?: 1 | 3; advertise?: (listen: string, id: number) => Promise<string> } = {}): Promise<KafkaCluster> {
  const { nodes, close } = await ((await dockerAnswers()) ? dockerNodes : localNodes)(count, advertise)
  const brokers = nodes.map(({ address }) => address)
  const ready = async (): Promise<void> => {
    const until = Date.now() + 120_000
    while ((await nodesThatAnswer(brokers)) < count) {
      const dead = nodes.find((node) => node.ended())
      if (dead !== undefined || Date.now() > until)
        throw new Error(`Kafka ${dead === undefined ? 'is not ready' : 'ended'}. It said:\n${(dead ?? nodes[0])?.said()}`)
      await sleep(200)
    }
  }
  try {
    await Promise.all(nodes.map(async (node) => node.start()))
    await ready()
  } catch (error) {
    await close()
    throw error
  }
  return { brokers, nodes, ready, close }
}

async function nodesThatAnswer(brokers: readonly string[]): Promise<number> {
  const admin = plainKafka(brokers, { retry: { retries: 0 } }).admin()
  try {
    await admin.connect()
    return (await admin.describeCluster()).brokers.length
  } catch {
    return 0
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}
