import type { Pool, PoolClient } from 'pg'
import { positionOf, type Position } from '../../../domain/kernel/position.ts'
import { binaryArray } from '../../../postgres/binary-array.ts'
import type { Statement } from '../../../postgres/transaction.ts'
import type { Content, OutboxChange, OutboxState } from './outbox-changes.ts'

/** A message on its way, without what it says: small, because a channel's sender keeps all of them in memory. */
export type OutboxRow = {
  readonly tenantId: string
  readonly messageId: string
  readonly channelId: string
  readonly conversationId: string
  readonly contactId: string
  readonly state: OutboxState
  readonly priority: number
  readonly attempt: number
  readonly attemptsBefore: number
  readonly dueAt: Date
  readonly queuedAt: Date
  readonly queuedPosition: Position
  readonly position: Position
}

export type ChannelRef = { readonly tenantId: string; readonly channelId: string }
export const channelKey = ({ tenantId, channelId }: ChannelRef): string => `${tenantId}/${channelId}`

type Stored = {
  tenant_id: string
  message_id: string
  channel_id: string
  conversation_id: string
  contact_id: string
  state: OutboxState
  priority: number
  attempt: number
  attempts_before: number
  due_at: Date
  queued_at: Date
  queued_position: string
  position: string
}

const columns = (alias: string): string =>
  ['tenant_id', 'message_id', 'channel_id', 'conversation_id', 'contact_id', 'state', 'priority', 'attempt', 'attempts_before']
    .concat(['due_at', 'queued_at', 'queued_position', 'position'])
    .map((column) => `${alias}.${column}`)
    .join(', ')

export const outboxRow = (row: Stored): OutboxRow => ({
  tenantId: row.tenant_id,
  messageId: row.message_id,
  channelId: row.channel_id,
  conversationId: row.conversation_id,
  contactId: row.contact_id,
  state: row.state,
  priority: row.priority,
  attempt: row.attempt,
  attemptsBefore: row.attempts_before,
  dueAt: row.due_at,
  queuedAt: row.queued_at,
  queuedPosition: positionOf(row.queued_position),
  position: positionOf(row.position),
})

/** The row that a new message becomes, as the table will have it. */
export function rowOfNew({ tenantId, messageId, position, queued, ...change }: OutboxChange): OutboxRow | undefined {
  if (queued === undefined) return undefined
  const { channelId, conversationId, contactId, priority, queuedAt, queuedPosition } = queued
  const { state = 'queued', attempt = 0, dueAt = queuedAt, retried } = change
  const attemptsBefore = retried?.known ?? 0
  const known = { tenantId, messageId, channelId, conversationId, contactId, priority, queuedAt, queuedPosition }
  return { ...known, state, attempt, attemptsBefore, dueAt, position }
}

/** New messages. One that left within the same page was never here. */
export function insertStatement(changes: readonly OutboxChange[]): Statement | undefined {
  const fresh = changes.flatMap((change) => {
    const row = change.gone === undefined ? rowOfNew(change) : undefined
    return row === undefined || change.queued === undefined ? [] : [{ ...row, ...change.queued, position: row.position }]
  })
  if (fresh.length === 0) return undefined
  return {
    name: 'outbox_insert',
    // A row that is there already would mean a page applied twice, which the checkpoint rules out: it fails loudly.
    text: `
      insert into work.outbox (tenant_id, message_id, channel_id, conversation_id, contact_id, state, priority, attempt, attempts_before,
        due_at, queued_at, queued_position, position, message_type, content, content_event_id, correlation_id, reply_to)
      select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int4[], $8::int4[], $9::int4[],
        $10::timestamptz[], $11::timestamptz[], $12::int8[], $13::int8[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[])`,
    values: [
      binaryArray(
        'uuid',
        fresh.map((row) => row.tenantId),
      ),
      binaryArray(
        'text',
        fresh.map((row) => row.messageId),
      ),
      binaryArray(
        'text',
        fresh.map((row) => row.channelId),
      ),
      binaryArray(
        'text',
        fresh.map((row) => row.conversationId),
      ),
      binaryArray(
        'text',
        fresh.map((row) => row.contactId),
      ),
      binaryArray(
        'text',
        fresh.map((row) => row.state),
      ),
      binaryArray(
        'int4',
        fresh.map((row) => row.priority),
      ),
      binaryArray(
        'int4',
        fresh.map((row) => row.attempt),
      ),
      binaryArray(
        'int4',
        fresh.map((row) => row.attemptsBefore),
      ),
      binaryArray(
        'timestamptz',
        fresh.map((row) => row.dueAt),
      ),
      binaryArray(
        'timestamptz',
        fresh.map((row) => row.queuedAt),
      ),
      binaryArray(
        'int8',
        fresh.map((row) => row.queuedPosition),
      ),
      binaryArray(
        'int8',
        fresh.map((row) => row.position),
      ),
      binaryArray(
        'text',
        fresh.map((row) => row.messageType),
      ),
      binaryArray(
        'text',
        fresh.map((row) => row.content),
      ),
      binaryArray(
        'text',
        fresh.map((row) => row.eventId),
      ),
      binaryArray(
        'text',
        fresh.map((row) => row.correlationId),
      ),
      binaryArray(
        'text',
        fresh.map((row) => row.replyTo),
      ),
    ],
  }
}

/** Which of these messages have a row. */
export async function readKnown(pool: Pool | PoolClient, changes: readonly OutboxChange[]): Promise<ReadonlySet<string>> {
  const { rows } = await pool.query<{ message_id: string }>({
    name: 'outbox_known',
    text: `
      select o.message_id from work.outbox o join unnest($1::uuid[], $2::text[]) as w (tenant_id, message_id) using (tenant_id, message_id)`,
    values: [
      binaryArray(
        'uuid',
        changes.map(({ tenantId }) => tenantId),
      ),
      binaryArray(
        'text',
        changes.map(({ messageId }) => messageId),
      ),
    ],
  })
  return new Set(rows.map((row) => row.message_id))
}

/** Messages on their way. Answers with those that wait for (another) try afterwards: the only ones a sender does not know of by itself. */
export function updateStatement(changes: readonly OutboxChange[]): Statement | undefined {
  const changed = changes.filter(({ queued, gone }) => queued === undefined && gone === undefined)
  if (changed.length === 0) return undefined
  return {
    name: 'outbox_update',
    text: `
      with changed as (
        update work.outbox o set
          state = coalesce(c.state, o.state), attempt = coalesce(c.attempt, o.attempt), due_at = coalesce(c.due_at, o.due_at),
          attempts_before = case when c.retried then coalesce(c.attempts_before, o.attempt) else o.attempts_before end, position = c.position
        from unnest($1::uuid[], $2::text[], $3::text[], $4::int4[], $5::timestamptz[], $6::bool[], $7::int4[], $8::int8[])
          as c (tenant_id, message_id, state, attempt, due_at, retried, attempts_before, position)
        where o.tenant_id = c.tenant_id and o.message_id = c.message_id
        returning ${columns('o')}
      )
      select * from changed where state = 'queued'`,
    values: [
      binaryArray(
        'uuid',
        changed.map((change) => change.tenantId),
      ),
      binaryArray(
        'text',
        changed.map((change) => change.messageId),
      ),
      binaryArray(
        'text',
        changed.map((change) => change.state),
      ),
      binaryArray(
        'int4',
        changed.map((change) => change.attempt),
      ),
      binaryArray(
        'timestamptz',
        changed.map((change) => change.dueAt),
      ),
      binaryArray(
        'bool',
        changed.map((change) => change.retried !== undefined),
      ),
      binaryArray(
        'int4',
        changed.map((change) => change.retried?.known),
      ),
      binaryArray(
        'int8',
        changed.map((change) => change.position),
      ),
    ],
  }
}

/** Messages that the provider has. */
export function deleteStatement(changes: readonly OutboxChange[]): Statement | undefined {
  const gone = changes.filter((change) => change.queued === undefined && change.gone !== undefined)
  if (gone.length === 0) return undefined
  return {
    name: 'outbox_delete',
    text: `
      delete from work.outbox o using unnest($1::uuid[], $2::text[], $3::bool[]) as g (tenant_id, message_id, only_if_waiting)
      where o.tenant_id = g.tenant_id and o.message_id = g.message_id
        and (not g.only_if_waiting or o.state in ('unknown', 'failed') or (o.state = 'queued' and o.attempt > 0))`,
    values: [
      binaryArray(
        'uuid',
        gone.map((change) => change.tenantId),
      ),
      binaryArray(
        'text',
        gone.map((change) => change.messageId),
      ),
      binaryArray(
        'bool',
        gone.map((change) => change.gone === 'if_waiting'),
      ),
    ],
  }
}

/** Everything that is open in a channel, in the order in which it was queued. */
export async function readOpen(pool: Pool, { tenantId, channelId }: ChannelRef): Promise<readonly OutboxRow[]> {
  const { rows } = await pool.query<Stored>({
    name: 'outbox_open',
    text: `select ${columns('o')} from work.outbox o
      where tenant_id = $1 and channel_id = $2 and state in ('queued', 'sending') order by queued_position`,
    values: [tenantId, channelId],
  })
  // One text for all rows instead of one each: they stay in memory.
  return rows.map((row) => ({ ...outboxRow(row), tenantId, channelId }))
}

/** What began to wait for a try, in each of these channels after the position up to which it is known. */
export async function readNews(pool: Pool, channels: readonly (ChannelRef & { after: Position })[]): Promise<readonly OutboxRow[]> {
  const { rows } = await pool.query<Stored>({
    name: 'outbox_news',
    text: `select ${columns('o')} from work.outbox o
      join unnest($1::uuid[], $2::text[], $3::int8[]) as mine (tenant_id, channel_id, after) using (tenant_id, channel_id)
      where o.state = 'queued' and o.position > (select min(after) from unnest($3::int8[]) as places (after)) and o.position > mine.after
      order by o.position`,
    values: [
      binaryArray(
        'uuid',
        channels.map(({ tenantId }) => tenantId),
      ),
      binaryArray(
        'text',
        channels.map(({ channelId }) => channelId),
      ),
      binaryArray(
        'int8',
        channels.map(({ after }) => after),
      ),
    ],
  })
  return rows.map(outboxRow)
}

/** What a message says, still sealed; undefined when it is no longer in the outbox. */
export async function readContent(pool: Pool, tenantId: string, messageId: string): Promise<Content | undefined> {
  const { rows } = await pool.query<{
    message_type: string
    content: string
    content_event_id: string
    correlation_id: string
    reply_to: string | null
  }>({
    name: 'outbox_content',
    text: 'select message_type, content, content_event_id, correlation_id, reply_to from work.outbox where tenant_id = $1 and message_id = $2',
    values: [tenantId, messageId],
  })
  const [row] = rows
  if (row === undefined) return undefined
  const { message_type: messageType, content, content_event_id: eventId, correlation_id: correlationId, reply_to: replyTo } = row
  return { messageType, content, eventId, correlationId, replyTo }
}

/**
 * Channels with open messages and no sender. It hops from channel to channel along the index:
 * `select distinct` would read every row of a backlog of 100,000 to find three channels.
 */
export async function readUnattended(pool: Pool): Promise<readonly ChannelRef[]> {
  const { rows } = await pool.query<{ tenant_id: string; channel_id: string }>({
    name: 'outbox_unattended',
    text: `
      with recursive open as (
        (select tenant_id, channel_id from work.outbox where state in ('queued', 'sending') order by tenant_id, channel_id limit 1)
        union all
        select next.tenant_id, next.channel_id from open o cross join lateral (
          select tenant_id, channel_id from work.outbox
          where state in ('queued', 'sending') and (tenant_id, channel_id) > (o.tenant_id, o.channel_id)
          order by tenant_id, channel_id limit 1
        ) next
      )
      select o.tenant_id, o.channel_id from open o
      where not exists (
        select from work.channel_leases l
        where l.tenant_id = o.tenant_id and l.channel_id = o.channel_id and l.owner is not null and l.lease_until >= clock_timestamp()
      )`,
  })
  return rows.map((row) => ({ tenantId: row.tenant_id, channelId: row.channel_id }))
}
