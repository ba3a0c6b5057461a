export type Node = {
  readonly id: number
  /** Where clients reach it. */
  readonly advertised: string
  readonly listen: string
  readonly controller: string
}

/**
 * The settings of one node of a cluster of `voters`, as Kafka names them. Replication as far as there are nodes: with three, what is acknowledged
 * is on two of them, so that one at a time may die.
 */
export function brokerProperties({ id, advertised, listen, controller }: Node, voters: readonly string[]): Readonly<Record<string, string>> {
  const copies = String(voters.length)
  const inSync = voters.length > 1 ? '2' : '1'
  return {
    'process.roles': 'broker,controller',
    'node.id': String(id),
    'controller.quorum.voters': voters.join(','),
    listeners: `PLAINTEXT://${listen},CONTROLLER://${controller}`,
    'advertised.listeners': `PLAINTEXT://${advertised}`,
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    // Without it KafkaJS says "The group coordinator is not available" for ever.
    'offsets.topic.replication.factor': copies,
    'offsets.topic.num.partitions': '3',
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': inSync,
    'transaction.state.log.num.partitions': '3',
    'default.replication.factor': copies,
    'min.insync.replicas': inSync,
    'group.initial.rebalance.delay.ms': '0',
    'auto.create.topics.enable': 'false',
    // A dead node is missed after 9 s by default: tests kill one every few seconds.
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '500',
    'controlled.shutdown.max.retries': '1',
    'log.cleaner.dedupe.buffer.size': '8388608',
    'num.network.threads': '2',
    'num.io.threads': '4',
    'num.partitions': '1',
  }
}

/** As a cluster is named: 16 random bytes. */
export const clusterId = (): string => Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64url')
