import type { Pool } from 'pg'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import { binaryArray } from '../../../postgres/binary-array.ts'
import type { Statement } from '../../../postgres/transaction.ts'
import type { OutboxChange } from './outbox-changes.ts'
import type { ChannelRef } from './outbox-table.ts'

/** A recorded attempt: its call may have left, so it counts against the limits of its number and its pair. */
export type RecentSend = { readonly conversationId: string; readonly at: number }
type Attempt = RecentSend & { readonly tenantId: string; readonly messageId: string; readonly channelId: string | undefined }

/** Longer than any limit remembers, and what a history that is read again from its start leaves out. */
const keptMs = 15 * 60_000

/** The attempts on a page of the log, with the channel where the page tells it. */
export function attemptsOf(events: readonly RecordedEvent[], changes: readonly OutboxChange[], now: number): readonly Attempt[] {
  const recent = events.filter(({ type, meta }) => type === 'SendAttempted' && Date.parse(meta.occurredAt) > now - keptMs)
  if (recent.length === 0) return []
  const queued = new Map(
    changes.flatMap(({ tenantId, messageId, queued }) => (queued === undefined ? [] : [[`${tenantId} ${messageId}`, queued.channelId]])),
  )
  return recent.map(({ stream: { tenantId, id }, data, meta }) => {
    const messageId = String(data['messageId'])
    return { tenantId, messageId, conversationId: id, channelId: queued.get(`${tenantId} ${messageId}`), at: Date.parse(meta.occurredAt) }
  })
}

/** Sent before the statements that move rows out of the outbox: whatever the page does not say of a message, its row does. */
export function sendsStatement(attempts: readonly Attempt[]): Statement | undefined {
  if (attempts.length === 0) return undefined
  return {
    name: 'recent_sends_insert',
    text: `
      insert into work.recent_sends (tenant_id, channel_id, conversation_id, sent_at)
      select a.tenant_id, coalesce(a.channel_id, o.channel_id), a.conversation_id, a.sent_at
      from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[]) as a (tenant_id, message_id, channel_id, conversation_id, sent_at)
      left join work.outbox o on o.tenant_id = a.tenant_id and o.message_id = a.message_id
      where coalesce(a.channel_id, o.channel_id) is not null`,
    values: [
      binaryArray(
        'uuid',
        attempts.map(({ tenantId }) => tenantId),
      ),
      binaryArray(
        'text',
        attempts.map(({ messageId }) => messageId),
      ),
      binaryArray(
        'text',
        attempts.map(({ channelId }) => channelId),
      ),
      binaryArray(
        'text',
        attempts.map(({ conversationId }) => conversationId),
      ),
      binaryArray(
        'timestamptz',
        attempts.map(({ at }) => new Date(at)),
      ),
    ],
  }
}

/** What a channel sent lately, oldest first, whoever sent it. */
export async function readRecentSends(pool: Pool, channel: ChannelRef, since: number): Promise<readonly RecentSend[]> {
  const { rows } = await pool.query<{ conversation_id: string; at: number }>({
    name: 'recent_sends',
    text: `
      select conversation_id, (extract(epoch from sent_at) * 1000)::float8 as at from work.recent_sends
      where tenant_id = $1 and channel_id = $2 and sent_at > $3 order by sent_at`,
    values: [channel.tenantId, channel.channelId, new Date(since)],
  })
  return rows.map((row) => ({ conversationId: row.conversation_id, at: row.at }))
}

export async function purgeRecentSends(pool: Pool): Promise<void> {
  await pool.query(`delete from work.recent_sends where sent_at < clock_timestamp() - $1 * interval '1 millisecond'`, [keptMs])
}
