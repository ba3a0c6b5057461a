import { Kafka, logLevel, type LogEntry } from 'kafkajs'
import type { Logger } from 'pino'
import { quietTimers } from './quiet-timers.ts'

export type KafkaOptions = {
  readonly brokers: readonly string[]
  readonly tls: boolean
  readonly sasl: { readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; readonly username: string; readonly password: string } | undefined
  readonly clientId: string
  readonly log: Logger
}

/**
 * A client whose calls end: in an answer, or in an error within some seconds. Whoever uses it starts again by itself, so it tries little on its own,
 * and what it says of each try is for `debug`: the one who uses it knows whether it matters.
 */
export function createKafka({ brokers, tls, sasl, clientId, log }: KafkaOptions): Kafka {
  quietTimers()
  return new Kafka({
    clientId,
    brokers: [...brokers],
    ssl: tls,
    ...(sasl === undefined ? {} : { sasl: signIn(sasl) }),
    connectionTimeout: 3_000,
    authenticationTimeout: 5_000,
    requestTimeout: 10_000,
    retry: { retries: 4, initialRetryTime: 100, maxRetryTime: 1_000 },
    logLevel: logLevel.INFO,
    logCreator: () => (entry) => log.debug(spoken(entry), entry.log.message),
  })
}

/** Its time, stack and own name are noise beside ours. */
function spoken({ namespace, log }: LogEntry): Record<string, unknown> {
  const left = new Set(['message', 'timestamp', 'logger', 'stack'])
  return { kafka: namespace, ...Object.fromEntries(Object.entries(log).filter(([name]) => !left.has(name))) }
}

/** kafkajs has a type for each mechanism, and they differ in the word only. */
function signIn({ mechanism, username, password }: NonNullable<KafkaOptions['sasl']>) {
  switch (mechanism) {
    case 'plain':
      return { mechanism, username, password }
    case 'scram-sha-256':
      return { mechanism, username, password }
    case 'scram-sha-512':
      return { mechanism, username, password }
    default:
      return mechanism satisfies never
  }
}
