import type { Pool } from 'pg'
import { binaryArray } from '../../../src/postgres/binary-array.ts'

export type RawRow = {
  readonly tenantId: string
  readonly streamId: string
  readonly version: number
  readonly id: string
  readonly data: object
  readonly meta: object
}

/**
 * What the log costs at least: the same rows into a table of the same columns and indexes, group commit of the same batch sizes over two connections, binary
 * arrays, durable. Without a lock, without checks, without results, without NOTIFY; positions are counted here, so only one process could do it.
 */
export async function createRawInserts(pool: Pool): Promise<{ insert: (row: RawRow) => Promise<void> }> {
  await pool.query(`create table public.raw (
    position bigint primary key, recorded_at timestamptz not null, tenant_id uuid not null, stream_id text collate "C" not null, version int not null,
    event_id uuid not null, type text not null, schema_version smallint not null, data json not null, metadata json not null);
    create unique index on public.raw (tenant_id, stream_id, version)`)
  type Waiting = RawRow & { json: string; metaJson: string; resolve: () => void; reject: (error: unknown) => void }
  const lanes = [{ busy: false }, { busy: false }]
  let queue: Waiting[] = []
  let inFlight = 0
  let position = 0
  let scheduled = false

  const schedule = (): void => {
    if (scheduled) return
    scheduled = true
    setImmediate(dispatch)
  }
  function dispatch(): void {
    scheduled = false
    for (const lane of lanes) {
      if (lane.busy || queue.length === 0) continue
      const share = Math.max(16, Math.ceil((queue.length + inFlight) / lanes.length))
      const batch = queue.splice(0, Math.min(256, share))
      void write(lane, batch)
    }
  }
  async function write(lane: { busy: boolean }, batch: readonly Waiting[]): Promise<void> {
    lane.busy = true
    inFlight += batch.length
    try {
      await pool.query({
        name: 'raw',
        text: `insert into public.raw select p, clock_timestamp(), t, s, v, i, 'MessageReceived', 1, d, m
               from unnest($1::bigint[], $2::uuid[], $3::text[], $4::int[], $5::uuid[], $6::json[], $7::json[]) u(p, t, s, v, i, d, m)`,
        values: [
          binaryArray(
            'int8',
            batch.map(() => ++position),
          ),
          binaryArray(
            'uuid',
            batch.map((row) => row.tenantId),
          ),
          binaryArray(
            'text',
            batch.map((row) => row.streamId),
          ),
          binaryArray(
            'int4',
            batch.map((row) => row.version),
          ),
          binaryArray(
            'uuid',
            batch.map((row) => row.id),
          ),
          binaryArray(
            'json',
            batch.map((row) => row.json),
          ),
          binaryArray(
            'json',
            batch.map((row) => row.metaJson),
          ),
        ],
      })
      for (const { resolve } of batch) resolve()
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
    lane.busy = false
    inFlight -= batch.length
    schedule()
  }
  return {
    insert: (row) =>
      new Promise((resolve, reject) => {
        queue.push({ ...row, json: JSON.stringify(row.data), metaJson: JSON.stringify(row.meta), resolve, reject })
        schedule()
      }),
  }
}
