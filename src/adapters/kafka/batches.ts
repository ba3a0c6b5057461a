import { Partitioners, type Message, type PartitionMetadata } from 'kafkajs'
import type { Outgoing } from './record.ts'

/** A record with its place: which partition, and how much of a batch it takes at most. */
export type Placed = { readonly partition: number; readonly bytes: number; readonly message: Message }

/** What one record batch holds beside its records. */
export const batchOverhead = 61
/** Most of one request, over all its partitions: the broker takes 100 MB, but it is held in memory on both sides. */
const requestBytes = 8 * 1024 * 1024

/**
 * By key over a fixed number of partitions, as every Kafka client does it (murmur2). kafkajs would spread over those that it finds at the moment: if somebody
 * added one while we run, the order per key would break without a word.
 */
export function createPlacing(partitions: number): (record: Outgoing) => Placed {
  const choose = Partitioners.DefaultPartitioner()
  const partitionMetadata = Array.from({ length: partitions }, (_, partitionId): PartitionMetadata => ({
    partitionId,
    leader: 0,
    partitionErrorCode: 0,
    replicas: [],
    isr: [],
  }))
  return ({ key, value, headers }) => {
    const partition = choose({ topic: '', partitionMetadata, message: { key, value } })
    return { partition, bytes: bytesOf({ key, value, headers }), message: { partition, key, value, headers: { ...headers } } }
  }
}

/** An upper bound: lengths are written as numbers of varying size, counted here with the greatest that they can have. */
export function bytesOf({ key, value, headers }: Outgoing): number {
  let bytes = 40 + Buffer.byteLength(key) + (value?.length ?? 0)
  for (const [name, text] of Object.entries(headers)) bytes += 8 + Buffer.byteLength(name) + Buffer.byteLength(text)
  return bytes
}

/** In their order, cut so that no partition's batch is greater than the topic takes. A record that is too large by itself makes a batch of one. */
export function batches(records: readonly Placed[], maxMessageBytes: number): Placed[][] {
  const most = maxMessageBytes - batchOverhead
  const cut: Placed[][] = []
  let now: Placed[] = []
  let total = 0
  let perPartition = new Map<number, number>()
  for (const record of records) {
    const before = perPartition.get(record.partition) ?? 0
    if (now.length > 0 && (before + record.bytes > most || total + record.bytes > requestBytes)) {
      cut.push(now)
      now = []
      total = 0
      perPartition = new Map()
    }
    now.push(record)
    total += record.bytes
    perPartition.set(record.partition, (perPartition.get(record.partition) ?? 0) + record.bytes)
  }
  if (now.length > 0) cut.push(now)
  return cut
}
