import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { streamName } from '../../domain/kernel/stream.ts'

/** A record as the client takes it. Without a value it is a tombstone in a compacted topic, and a kept place in the topic of events. */
export type Outgoing = { readonly key: string; readonly value: Buffer | null; readonly headers: Readonly<Record<string, string>> }

/** What an event is found by, in the order of which it stays: its stream. No personal data. */
const keyOf = ({ stream: { tenantId, category, id } }: RecordedEvent): string => `${tenantId}/${category}-${id}`

/**
 * An event as a CloudEvent in binary mode: who wants to route or to leave out looks at the headers, which hold nothing personal; the value is what the
 * log holds, sealed fields sealed. An attachment (a raw delivery) stays in the log.
 */
export function recordOf(event: RecordedEvent): Outgoing {
  return { key: keyOf(event), value: Buffer.from(JSON.stringify({ data: event.data, meta: event.meta })), headers: headersOf(event) }
}

/** The place of an event that the broker does not take: order and count stay whole, the data is in the log. */
export function placeOf(event: RecordedEvent): Outgoing {
  return { key: keyOf(event), value: null, headers: { ...headersOf(event), ce_dataref: `${streamName(event.stream)}@${event.version}` } }
}

function headersOf({ id, type, schemaVersion, stream, version, position, recordedAt, meta }: RecordedEvent): Record<string, string> {
  return {
    'content-type': 'application/json',
    ce_specversion: '1.0',
    ce_id: id,
    ce_type: type,
    ce_source: `/tenants/${stream.tenantId}/${stream.category}`,
    ce_subject: stream.id,
    ce_time: meta.occurredAt,
    ce_tenant: stream.tenantId,
    ce_category: stream.category,
    ce_version: String(version),
    ce_schemaversion: String(schemaVersion),
    ce_position: position,
    ce_recordedtime: recordedAt.toISOString(),
    ...(meta.traceparent === undefined ? {} : { ce_traceparent: meta.traceparent }),
  }
}
