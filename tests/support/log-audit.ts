import { Client } from 'pg'

export type Audit = {
  readonly events: number
  /** Positions that are missing, or 0: dense from 1. */
  readonly holes: number
  /** Streams whose versions are not 1…n, or whose order along positions is another one. */
  readonly brokenStreams: number
  readonly eventsTwice: number
  /** Places where recorded_at goes back. */
  readonly timeTurned: number
}

/** What must be true of every log, whoever wrote it and however it died. Asked of the database itself, not through the store. */
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
