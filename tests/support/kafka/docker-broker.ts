import { freePort } from '../processes.ts'
import type { Nodes } from './cluster.ts'
import { brokerProperties, clusterId } from './properties.ts'

const image = 'apache/kafka:4.1.1'
const inner = 19_092

/** Whether a Docker engine answers. */
export async function dockerAnswers(): Promise<boolean> {
  try {
    const { getContainerRuntimeClient } = await import('testcontainers')
    await getContainerRuntimeClient()
    return true
  } catch {
    return false
  }
}

/** Brokers as containers. Their ports outside are chosen first, for a broker tells its clients where to come back to. */
export async function dockerNodes(count: number, advertise: (listen: string, id: number) => Promise<string>): Promise<Nodes> {
  const { GenericContainer, Network, getContainerRuntimeClient } = await import('testcontainers')
  const { container: runtime } = await getContainerRuntimeClient()
  const network = await new Network().start()
  const id = clusterId()
  const ids = Array.from({ length: count }, (_, i) => i + 1)
  const voters = ids.map((one) => `${one}@kafka-${one}:9093`)
  const nodes = await Promise.all(
    ids.map(async (one) => {
      const port = await freePort()
      const advertised = await advertise(`127.0.0.1:${port}`, one)
      const settings = {
        ...brokerProperties({ id: one, advertised, listen: `0.0.0.0:${port}`, controller: '0.0.0.0:9093' }, voters),
        // Brokers speak to each other by their names in the network, clients come from outside.
        listeners: `PLAINTEXT://0.0.0.0:${port},CONTROLLER://0.0.0.0:9093,INNER://0.0.0.0:${inner}`,
        'advertised.listeners': `PLAINTEXT://${advertised},INNER://kafka-${one}:${inner}`,
        'inter.broker.listener.name': 'INNER',
        'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,INNER:PLAINTEXT',
      }
      const started = await new GenericContainer(image)
        .withNetwork(network)
        .withNetworkAliases(`kafka-${one}`)
        .withExposedPorts({ container: port, host: port })
        .withEnvironment({
          CLUSTER_ID: id,
          ...Object.fromEntries(Object.entries(settings).map(([name, value]) => [`KAFKA_${name.toUpperCase().replaceAll('.', '_')}`, value])),
        })
        .start()
      const handle = runtime.getById(started.getId())
      let up = true
      const down = async (end: () => Promise<unknown>): Promise<void> => {
        if (!up) return
        up = false
        await end()
      }
      return {
        started,
        node: {
          address: advertised,
          async start() {
            if (up) return
            up = true
            await handle.start()
          },
          kill: () => down(() => handle.kill()),
          stop: () => down(() => handle.stop()),
          freeze: async () => void (await handle.pause()),
          thaw: async () => void (await handle.unpause()),
          ended: () => false,
          said: () => `see the log of container ${started.getId()}`,
        },
      }
    }),
  )
  return {
    nodes: nodes.map(({ node }) => node),
    async close() {
      await Promise.all(nodes.map(async ({ started }) => started.stop()))
      await network.stop()
    },
  }
}
