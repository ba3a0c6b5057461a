import { Client } from 'pg'
import { createEventStoreDbEventStore } from '../../src/adapters/event-store/eventstoredb/event-store.ts'
import type { EventStore } from '../../src/domain/kernel/event-store.ts'
import { start } from '../../src/domain/kernel/position.ts'
import { streamName } from '../../src/domain/kernel/stream.ts'

export type Audit = {
  readonly events: number
  /** Positions that are missing, or 0: dense from 1. On engines whose positions have gaps: positions that do not go up. */
  readonly holes: number
  /** Streams whose versions are not 1…n, or whose order along positions is another one. */
  readonly brokenStreams: number
  readonly eventsTwice: number
  /** Places where recorded_at goes back. */
  readonly timeTurned: number
}

/** What must be true of every log, whoever wrote it and however it died. Of PostgreSQL: asked of the database itself, not through the store. */
export async function auditLog(url: string): Promise<Audit> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<Record<string, string>>(`select
      (select count(*) from es.events) as events,
      (select coalesce(max(position), 0) - count(*) from es.events) as holes,
      (select count(*) from (
         select version, row_number() over (partition by tenant_id, stream_id order by position) as nth from es.events) v where version <> nth) as broken,
      (select count(*) from (select from es.events group by event_id having count(*) > 1) t) as twice,
      (select count(*) from (select recorded_at < lag(recorded_at) over (order by position) as back from es.events) t where back) as turned`)
    const row = rows[0] ?? {}
    return {
      events: Number(row['events']),
      holes: Number(row['holes']),
      brokenStreams: Number(row['broken']),
      eventsTwice: Number(row['twice']),
      timeTurned: Number(row['turned']),
    }
  } finally {
    await client.end()
  }
}

/** The same of a log on any engine, read through the port from its beginning. */
export async function auditStore(store: Pick<EventStore, 'readAll' | 'head'>): Promise<Audit> {
  const versions = new Map<string, number>()
  const broken = new Set<string>()
  const ids = new Set<string>()
  const audit = { events: 0, holes: 0, eventsTwice: 0, timeTurned: 0 }
  const { position: head } = await store.head()
  let last: { readonly position: string; readonly at: number } = { position: start, at: 0 }
  for (let after = start; after < head;) {
    const page = await store.readAll({ after, limit: 1_000 })
    for (const { id, stream, version, position, recordedAt } of page.events) {
      const name = streamName(stream)
      if (version !== (versions.get(name) ?? 0) + 1) broken.add(name)
      versions.set(name, version)
      if (ids.has(id)) audit.eventsTwice++
      ids.add(id)
      if (position <= last.position) audit.holes++
      if (recordedAt.getTime() < last.at) audit.timeTurned++
      last = { position, at: recordedAt.getTime() }
      audit.events++
    }
    if (page.through <= after) throw new Error('the log did not move on although it is longer')
    after = page.through
  }
  return { ...audit, brokenStreams: broken.size }
}

/** Of the log that an installation with this environment has. */
export async function auditOf(env: Readonly<Record<string, string | undefined>>): Promise<Audit> {
  const { EVENT_STORE: engine = 'postgres', EVENTSTOREDB_URL: url = '', DATABASE_URL: database = '' } = env
  if (engine === 'postgres') return auditLog(database)
  const store = createEventStoreDbEventStore({ url })
  try {
    return await auditStore(store)
  } finally {
    await store.close()
  }
}
