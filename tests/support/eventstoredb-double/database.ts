import { randomUUID } from 'node:crypto'
import { createFaults } from './faults.ts'
import { createLog } from './log.ts'
import { FIRST_POSITION, METADATA_TYPE, sizeOf, type LogRecord } from './records.ts'
import type { Subscription } from './subscription.ts'
import { isVisible } from './visibility.ts'
import { createWriter, type Persist } from './writer.ts'

export type DatabaseOptions = {
  persist?: Persist
  /** What was persisted before, in order. */
  records?: readonly LogRecord[]
  now?: () => number
  maxAppendSize?: number
  version?: string
  /** Newer servers (24.6 on) go back to catching up where 23.10 drops a live consumer. */
  fallsBehind?: boolean
  /** After which a dropped repeat of an append in flight is answered by a time-out: 2.0–2.6 s on the real server. */
  commitTimeoutMs?: () => number
}

/** Everything behind the wire: one log, one writer, the subscriptions to it, and the faults in force. It outlives restarts of the server before it. */
export function createDatabase(options: DatabaseOptions) {
  const now = options.now ?? Date.now
  const log = createLog(FIRST_POSITION)
  const subscriptions = new Set<Subscription>()
  const writer = createWriter(log, {
    // In memory "the disk" is the next turn: what arrives in one turn is written together.
    persist: options.persist ?? (async () => new Promise((done) => setImmediate(done))),
    now,
    committed: () => {
      for (const subscription of subscriptions) subscription.wake()
    },
  })
  for (const record of options.records ?? firstRecords(now())) {
    log.accept(record)
    log.commit(record)
  }
  return {
    log,
    writer,
    now,
    subscriptions,
    faults: createFaults(),
    maxAppendSize: options.maxAppendSize ?? 1_048_576,
    version: options.version ?? '23.10.6',
    fallsBehind: options.fallsBehind ?? false,
    commitTimeoutMs: options.commitTimeoutMs ?? (() => 2000 + Math.random() * 600),
    /** Takes out of `$all` what its streams do not show any more, as an operator's scavenge does. Positions stay as they are. */
    scavenge(): void {
      const kept = log.all.filter((record) => isVisible(log, record, now()))
      log.all.splice(0, log.all.length, ...kept)
    },
  }
}
export type Database = ReturnType<typeof createDatabase>

/** What a new database holds: the metadata of `$$scavenges`. */
export function firstRecords(created: number): LogRecord[] {
  const event = {
    stream: '$$$scavenges',
    id: randomUUID(),
    type: METADATA_TYPE,
    contentType: 'application/json',
    metadata: new Uint8Array(),
    data: new Uint8Array(Buffer.from('{"$maxAge":2592000}')),
  }
  return [{ ...event, revision: 0, position: FIRST_POSITION, end: FIRST_POSITION + sizeOf(event), created }]
}
