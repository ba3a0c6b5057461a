import type { RecordedEvent } from '../../../src/domain/kernel/envelope.ts'
import type { EventStore } from '../../../src/domain/kernel/event-store.ts'
import { start } from '../../../src/domain/kernel/position.ts'
import { readTopic } from './read-topic.ts'

export type TopicAudit = {
  readonly events: number
  readonly published: number
  readonly missing: number
  readonly doubled: number
  /** In the topic and not in the log. */
  readonly strange: number
  /** Streams whose events do not stand in their order, or not all in one partition. */
  readonly disorderedStreams: number
  /** Events whose data, meta or headers are not those of the log. */
  readonly changed: number
}

/** Compares the events topic with the log, event by event. Nobody may be publishing any more (see `readTopic`). */
export async function auditTopic(store: Pick<EventStore, 'readAll'>, brokers: readonly string[], topic: string): Promise<TopicAudit> {
  const log = new Map<string, RecordedEvent>()
  for (let after = start; ;) {
    const { events, through } = await store.readAll({ after, limit: 5_000 })
    for (const event of events) log.set(event.id, event)
    if (events.length === 0 && through <= after) break
    after = through
  }
  const records = await readTopic(brokers, topic)
  const seen = new Set<string>()
  const disordered = new Set<string>()
  const last = new Map<string, { partition: number; version: number }>()
  let doubled = 0
  let strange = 0
  let changed = 0
  for (const { key, value, headers, partition } of records) {
    const { ce_id: id = '', ce_version: version, ce_type: type, ce_position: position } = headers
    const event = log.get(id)
    if (seen.has(id)) doubled++
    seen.add(id)
    if (event === undefined) {
      strange++
      continue
    }
    const same =
      value === JSON.stringify({ data: event.data, meta: event.meta }) &&
      key === `${event.stream.tenantId}/${event.stream.category}-${event.stream.id}` &&
      type === event.type &&
      position === event.position &&
      version === String(event.version) &&
      headers['ce_recordedtime'] === event.recordedAt.toISOString()
    if (!same) changed++
    const before = last.get(key)
    if (before !== undefined && (before.partition !== partition || before.version >= event.version)) disordered.add(key)
    last.set(key, { partition, version: event.version })
  }
  const missing = [...log.keys()].filter((id) => !seen.has(id)).length
  return { events: log.size, published: records.length, missing, doubled, strange, disorderedStreams: disordered.size, changed }
}
