import { z } from 'zod'
import { addressSubject } from '../../commands/audit/trail.ts'
import type { EventPlace, EventsAt } from '../../domain/kernel/event-places.ts'
import { streamRef, type Category } from '../../domain/kernel/stream.ts'
import { positionOf } from '../../domain/kernel/position.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import type { AuditRow } from '../../projections/audit/projection.ts'
import type { Opener } from '../messages/opening.ts'
import { changesOf } from './changes.ts'
import { namesOf, type Entry, type Named } from './names.ts'
import { sentence } from './sentences/sentence.ts'
import { actorName, sentenceCase } from './sentences/voice.ts'

export const entry = z
  .object({
    id: z.string().meta({ description: "The event's" }),
    at: z.string(),
    actor: z.object({ kind: z.string(), id: z.string(), name: z.string() }),
    action: z.string().meta({ description: 'Stable, such as `conversation.snoozed`' }),
    entity: z.object({ type: z.string(), id: z.string(), label: z.string() }),
    summary: z.string().meta({ description: 'What happened, in a sentence. Customers are named for keys with contacts:read' }),
    changes: z
      .record(z.string(), z.object({ before: z.unknown().optional(), after: z.unknown().optional() }))
      .optional()
      .meta({ description: 'By field; what was before only where the event says it' }),
    correlation_id: z.string(),
    causation_id: z.string(),
    position: z.string(),
    ip: z.string().optional().meta({ description: 'The address that the request came from' }),
  })
  .meta({ id: 'AuditEntry' })
export type EntryBody = z.infer<typeof entry>

export type AuditReading = { readonly reader: TenantQueries; readonly open: Opener; readonly eventsAt: EventsAt }

const placeOf = (tenantId: string, row: AuditRow): EventPlace => ({
  stream: streamRef(row.category as Category, tenantId, row.streamId),
  version: row.version,
})

/** The rows with their events and what they are called: all of it read now, a statement per kind. */
export async function speaking(
  { reader, open, eventsAt }: AuditReading,
  tenantId: string,
  rows: readonly AuditRow[],
  options: { people: boolean },
): Promise<readonly (Entry & Named & { readonly summary: string })[]> {
  const events = await eventsAt(
    tenantId,
    rows.map((row) => placeOf(tenantId, row)),
  )
  const entries = rows.map((row, nth): Entry => {
    const event = events[nth]
    if (event === undefined) throw new Error(`the log has no event at position ${row.position} any more`)
    return { row, event }
  })
  const names = await namesOf({ reader, open }, tenantId, entries, options)
  return entries.map((one) => {
    const named = names(one)
    return { ...one, ...named, summary: sentence(one.event, named.voice) }
  })
}

export async function renderAudit(
  reading: AuditReading,
  tenantId: string,
  rows: readonly AuditRow[],
  options: { people: boolean },
): Promise<readonly EntryBody[]> {
  return Promise.all(
    (await speaking(reading, tenantId, rows, options)).map(async ({ row, event, label, summary }) => {
      const { actor, correlationId, causationId, ip, occurredAt } = event.meta
      const changes = changesOf(event)
      const address =
        ip === undefined
          ? null
          : await reading.open({ tenantId, subject: addressSubject(new Date(occurredAt)), eventId: correlationId, field: 'ip' }, ip)
      return {
        id: row.id,
        at: row.at.toISOString(),
        actor: { kind: actor.kind, id: actor.id, name: actor.name ?? sentenceCase(actorName(actor)) },
        action: row.action,
        entity: { type: row.entityType, id: row.entityId, label },
        summary,
        ...(changes === undefined ? {} : { changes }),
        correlation_id: correlationId,
        causation_id: causationId,
        position: positionOf(row.position),
        ...(address === null ? {} : { ip: address }),
      }
    }),
  )
}
