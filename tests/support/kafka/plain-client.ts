import { Kafka, logLevel, type RetryOptions } from 'kafkajs'
import { quietTimers } from '../../../src/adapters/kafka/quiet-timers.ts'

/** A client of the test's own, that says nothing. */
export function plainKafka(
  brokers: readonly string[],
  { retry = {}, connectionTimeout = 1_000 }: { retry?: RetryOptions; connectionTimeout?: number } = {},
): Kafka {
  quietTimers()
  return new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING, retry, connectionTimeout })
}
