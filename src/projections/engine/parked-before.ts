import type { Pool, PoolClient } from 'pg'
import { positionOf, type Position } from '../../domain/kernel/position.ts'
import { rowKey, type RowKey } from './fold-page.ts'

/** Positions that a subscription has parked and nobody has resolved, of one tenant or of all. */
export async function parkedPositions(db: Pool | PoolClient, subscription: string, tenantId?: string): Promise<ReadonlySet<Position>> {
  const { rows } = await db.query<{ position: string }>(
    `select position from es.parked_events where subscription = $1 and resolved_at is null and ($2::uuid is null or tenant_id = $2)`,
    [subscription, tenantId ?? null],
  )
  return new Set(rows.map(({ position }) => positionOf(position)))
}

/** What is parked in the live generation is parked in the next one too: all of it, or what failed there again. */
export async function copyParked(
  client: PoolClient,
  { from, to, through, only }: { from: string; to: string; through: Position; only?: readonly Position[] | undefined },
): Promise<void> {
  await client.query(
    `insert into es.parked_events
     select (jsonb_populate_record(p, jsonb_build_object('subscription', $2::text))).* from es.parked_events p
     where p.subscription = $1 and p.position <= $3 and ($4::bigint[] is null or (p.position = any ($4) and p.resolved_at is null))
     on conflict do nothing`,
    [from, to, through, only ?? null],
  )
}

export type ParkedRow = { readonly tenantId: string; readonly id: string; readonly key: RowKey }

/** Rows with parked events in one of two subscriptions and not, or not the same ones, in the other. */
export async function differentlyParked(client: PoolClient, one: string, other: string, through: Position): Promise<readonly ParkedRow[]> {
  const { rows } = await client.query<{ tenant_id: string; stream_key: string }>(
    `select distinct coalesce(a.tenant_id, b.tenant_id) as tenant_id, coalesce(a.stream_key, b.stream_key) as stream_key
     from (select * from es.parked_events where subscription = $1 and resolved_at is null and position <= $3) a
     full join (select * from es.parked_events where subscription = $2 and resolved_at is null and position <= $3) b
       on b.tenant_id = a.tenant_id and b.position = a.position and b.stream_key = a.stream_key
     where a.position is null or b.position is null`,
    [one, other, through],
  )
  return rows.map(({ tenant_id: tenantId, stream_key: id }) => ({ tenantId, id, key: rowKey(tenantId, id) }))
}
