import type { Pool } from 'pg'
import { binaryArray } from '../../../postgres/binary-array.ts'
import { channelKey, type ChannelRef } from './outbox-table.ts'

export type ChannelLease = ChannelRef & {
  /** Decimal text of a bigint; another one for every holder of the channel. */
  readonly token: string
}

const refs = (channels: readonly ChannelRef[]): Buffer[] => [
  binaryArray(
    'uuid',
    channels.map(({ tenantId }) => tenantId),
  ),
  binaryArray(
    'text',
    channels.map(({ channelId }) => channelId),
  ),
]
const inOrder = <C extends ChannelRef>(channels: readonly C[]): C[] => channels.toSorted((a, b) => (channelKey(a) < channelKey(b) ? -1 : 1))

// One row per channel and one statement for all of a process: with a row of es.subscriptions and a renewal each, a thousand busy channels would cost
// three hundred statements a second for nothing else. Always in the same order, so that two processes that want the same channels do not deadlock.

/** The leases that were free, for those who asked; the others are left out. */
export async function takeChannels(pool: Pool, owner: string, channels: readonly ChannelRef[], ttlMs: number): Promise<readonly ChannelLease[]> {
  const { rows } = await pool.query<{ tenant_id: string; channel_id: string; fencing_token: string }>({
    name: 'channel_take',
    text: `
      insert into work.channel_leases as l (tenant_id, channel_id, fencing_token, owner, lease_until)
      select w.tenant_id, w.channel_id, 1, $3, clock_timestamp() + $4 * interval '1 millisecond' from unnest($1::uuid[], $2::text[]) as w (tenant_id, channel_id)
      on conflict (tenant_id, channel_id) do update set
        fencing_token = l.fencing_token + 1, owner = excluded.owner, lease_until = clock_timestamp() + $4 * interval '1 millisecond'
      where l.owner is null or l.lease_until < clock_timestamp()
      returning tenant_id, channel_id, fencing_token`,
    values: [...refs(inOrder(channels)), owner, ttlMs],
  })
  return rows.map((row) => ({ tenantId: row.tenant_id, channelId: row.channel_id, token: row.fencing_token }))
}

/** Keys of the channels that are still ours. One that lapsed and found no other sender is. */
export async function renewChannels(pool: Pool, leases: readonly ChannelLease[], ttlMs: number): Promise<ReadonlySet<string>> {
  const ordered = inOrder(leases)
  const { rows } = await pool.query<{ tenant_id: string; channel_id: string }>({
    name: 'channel_renew',
    text: `
      update work.channel_leases l set lease_until = clock_timestamp() + $4 * interval '1 millisecond'
      from unnest($1::uuid[], $2::text[], $3::int8[]) as m (tenant_id, channel_id, token)
      where l.tenant_id = m.tenant_id and l.channel_id = m.channel_id and l.fencing_token = m.token and l.owner is not null
      returning l.tenant_id, l.channel_id`,
    values: [
      ...refs(ordered),
      binaryArray(
        'int8',
        ordered.map(({ token }) => token),
      ),
      ttlMs,
    ],
  })
  return new Set(rows.map((row) => channelKey({ tenantId: row.tenant_id, channelId: row.channel_id })))
}

export async function releaseChannels(pool: Pool, leases: readonly ChannelLease[]): Promise<void> {
  const ordered = inOrder(leases)
  await pool.query({
    name: 'channel_release',
    text: `
      update work.channel_leases l set owner = null, lease_until = null from unnest($1::uuid[], $2::text[], $3::int8[]) as m (tenant_id, channel_id, token)
      where l.tenant_id = m.tenant_id and l.channel_id = m.channel_id and l.fencing_token = m.token`,
    values: [
      ...refs(ordered),
      binaryArray(
        'int8',
        ordered.map(({ token }) => token),
      ),
    ],
  })
}
