import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import type { DomainEvent } from '../../src/domain/catalogue.ts'
import { fromStored } from '../../src/domain/kernel/codec.ts'
import type { EventStore } from '../../src/domain/kernel/event-store.ts'
import type { StreamRef } from '../../src/domain/kernel/stream.ts'
import { schemaOf, subscriptionOf, tableOf } from '../../src/projections/engine/naming.ts'
import type { Projection } from '../../src/projections/engine/projection.ts'
import { projections } from '../../src/projections/index.ts'
import { recordedLog } from './recorded.ts'
import type { SealedPeople } from './sealed-people.ts'

export type Happened = readonly (readonly [StreamRef, DomainEvent])[]

/** One event in about sixty cannot be applied by this read model. Which ones lies in their ids, so it is the same ones whenever they are met. */
export const moody = (projection: Projection): Projection => ({
  ...projection,
  fold(row, event, at) {
    if (Number.parseInt(at.id.slice(0, 6), 16) % 61 === projection.name.length) throw new Error('an event that this fold does not bear')
    return projection.fold(row, event, at)
  },
})

/** The same read model under another name: it is written live from the first event to the last and never rebuilt. */
export const twinOf = (projection: Projection): Projection => ({ ...projection, name: `${projection.name}Twin` })

/** Without the events that a read model takes for the first of their row and that are not: for which it does not look, and need not. */
export function believable(happened: Happened): Happened {
  const begun = new Set<string>()
  return recordedLog(happened).flatMap((at, index) => {
    const rows = projections.flatMap((model) => {
      const event = fromStored<DomainEvent>(at)
      const id = model.handles.includes(event.type) ? model.key(event, at) : undefined
      return id === undefined ? [] : [{ name: `${model.name} ${at.stream.tenantId} ${id}`, creates: model.creates?.includes(event.type) === true }]
    })
    if (rows.some(({ name, creates }) => creates && begun.has(name))) return []
    for (const { name } of rows) begun.add(name)
    return happened.slice(index, index + 1)
  })
}

/** `people`: what is sealed is really sealed, for one of them. */
export async function append(store: EventStore, happened: Happened, people?: Pick<SealedPeople, 'seal'>): Promise<void> {
  const meta = { occurredAt: '2026-01-01T12:00:00Z', correlationId: 'c', causationId: 'c', actor: { kind: 'process', id: 'test' } } as const
  for (const [stream, { type, ...data }] of happened) {
    const id = randomUUID()
    const told = people === undefined ? data : await people.seal(stream.tenantId, id, data)
    await store.append({ stream, expected: 'any', events: [{ id, type, schemaVersion: 1, data: told, meta }] })
  }
}

/** Rows and parked events as text, each column in its place. */
export async function contents(pool: Pool, projection: Projection): Promise<{ rows: string[]; parked: string[] }> {
  const texts = async (sql: string, values: unknown[] = []): Promise<string[]> =>
    (await pool.query<{ line: string }>(sql, values)).rows.map(({ line }) => line)
  return {
    rows: await texts(`select r::text as line from ${schemaOf(projection)}.${tableOf(projection)} r order by tenant_id, id`),
    parked: await texts(
      `select (tenant_id, position, stream_key, event_type, category)::text as line from es.parked_events where subscription = $1 and resolved_at is null order by position`,
      [subscriptionOf(projection)],
    ),
  }
}
