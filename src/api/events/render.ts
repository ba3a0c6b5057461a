import { z } from 'zod'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { upcast } from '../../domain/kernel/upcast.ts'

/** An event of the log as clients see it. */
export const event = z
  .object({
    id: z.string(),
    type: z.string(),
    schema_version: z.number().int(),
    stream: z.object({ category: z.string(), id: z.string() }),
    version: z.number().int(),
    position: z.string(),
    occurred_at: z.string(),
    recorded_at: z.string(),
    actor: z.object({ kind: z.string(), id: z.string(), name: z.string().optional() }),
    correlation_id: z.string(),
    causation_id: z.string(),
    data: z
      .record(z.string(), z.unknown())
      .meta({ description: 'Personal fields are `{"sealed": "…"}`; secrets of channels and hashes of keys are null' }),
  })
  .meta({ id: 'LogEvent' })

export type EventBody = z.infer<typeof event>

/**
 * What opens something is not shown to anybody who may read the log, not even sealed or hashed: no reader has a use for it.
 * Names are those of the API; a field that an event does not have stays away (`appSecret` is optional).
 */
const secrets: Readonly<Record<string, readonly string[]>> = {
  ChannelAdded: ['access_token', 'app_secret'],
  ChannelCredentialsChanged: ['access_token', 'app_secret'],
  ApiKeyIssued: ['hash'],
}

/** In the newest shape of its type, sealed fields as they are. */
export function renderEvent(recorded: RecordedEvent): EventBody {
  const { id, type, schemaVersion, stream, version, position, recordedAt, meta } = recorded
  return {
    id,
    type,
    schema_version: schemaVersion,
    stream: { category: stream.category, id: stream.id },
    version,
    position,
    occurred_at: meta.occurredAt,
    recorded_at: recordedAt.toISOString(),
    actor: meta.actor,
    correlation_id: meta.correlationId,
    causation_id: meta.causationId,
    data: renderData(type, schemaVersion, recorded.data),
  }
}

/** What an event says, in the newest shape of its type and the API's names. */
export const renderData = (type: string, schemaVersion: number, data: RecordedEvent['data']): EventBody['data'] =>
  withoutSecrets(type, snaked(upcast(type, schemaVersion, data)) as EventBody['data'])

function withoutSecrets(type: string, data: EventBody['data']): EventBody['data'] {
  const blank = secrets[type]
  return blank === undefined ? data : Object.fromEntries(Object.entries(data).map(([name, value]) => [name, blank.includes(name) ? null : value]))
}

/** Field names as the API writes them: `phoneNumberId` → `phone_number_id`, at every depth. */
function snaked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snaked)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [snake(name), snaked(inner)]))
}

const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
