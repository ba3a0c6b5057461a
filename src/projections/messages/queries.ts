import type { MessageError, Sender } from '../../domain/conversation/events.ts'
import { selection, type Read, type ReadTable } from '../engine/naming.ts'
import { BadCursor } from '../engine/page.ts'
import { queryBuilder, type TenantQueries } from '../../postgres/queries.ts'
import { messages, type MessageRow, type StatusEntry } from './projection.ts'

type MessageColumns = Read<
  MessageRow,
  { readonly sentBy: Sender | null; readonly error: MessageError | null; readonly statusHistory: readonly StatusEntry[] }
>

/** `content` and `raw` are sealed for (contactId, eventId, `content` | `raw`). `replyToId` is our id of the message it answers, where we have that. */
export type MessageView = MessageColumns & { readonly replyToId: string | null }

export type ThreadFilter = {
  readonly conversationId: string
  /** Older than the message with this id. */
  readonly before?: string | undefined
  /** Newer than the message with this id: the nearest ones, so a client that was away walks forward without a gap. */
  readonly after?: string | undefined
  readonly limit: number
}

/** `next` is the id to go on from in the same direction; undefined at the end. */
export type Thread = { readonly rows: readonly MessageView[]; readonly next: string | undefined }

const db = queryBuilder<{ 'rm_messages.messages': ReadTable<MessageColumns> }>()

const ofTenant = (tenantId: string) =>
  db
    .selectFrom('rm_messages.messages as m')
    .where('m.tenant_id', '=', tenantId)
    .select(selection<MessageColumns, 'm'>(messages.table, 'm'))
    .select((eb) =>
      eb
        .selectFrom('rm_messages.messages as answered')
        .whereRef('answered.tenant_id', '=', 'm.tenant_id')
        .whereRef('answered.provider_id', '=', 'm.reply_to')
        .select('answered.id')
        .limit(1)
        .as('replyToId'),
    )

/** The statement of `listMessages` once it knows the positions of its ends, for it and for the test of its plan. */
export function threadQuery(
  tenantId: string,
  { conversationId, limit, before, after }: { conversationId: string; limit: number; before?: string | undefined; after?: string | undefined },
) {
  let query = ofTenant(tenantId)
    .where('m.conversation_id', '=', conversationId)
    .orderBy('m.position', after === undefined ? 'desc' : 'asc')
    .limit(limit + 1)
  if (before !== undefined) query = query.where('m.position', '<', before)
  if (after !== undefined) query = query.where('m.position', '>', after)
  return query.compile()
}

/** A conversation's messages, newest first in every case. @throws BadCursor when `before` or `after` is no message of this conversation. */
export async function listMessages(
  queries: TenantQueries,
  tenantId: string,
  { conversationId, before, after, limit }: ThreadFilter,
): Promise<Thread> {
  const positions = await positionsOf(queries, tenantId, conversationId, [before, after])
  const found = await queries.run(
    tenantId,
    threadQuery(tenantId, {
      conversationId,
      limit,
      before: before === undefined ? undefined : positions.get(before),
      after: after === undefined ? undefined : positions.get(after),
    }),
  )
  const kept = found.slice(0, limit)
  const next = found.length > limit ? kept.at(-1)?.id : undefined
  return { rows: after === undefined ? kept : kept.toReversed(), next }
}

async function positionsOf(
  queries: TenantQueries,
  tenantId: string,
  conversationId: string,
  anchors: readonly (string | undefined)[],
): Promise<ReadonlyMap<string, string>> {
  const ids = anchors.filter((id) => id !== undefined)
  if (ids.length === 0) return new Map()
  const query = db
    .selectFrom('rm_messages.messages as m')
    .where('m.tenant_id', '=', tenantId)
    .where('m.id', 'in', ids)
    .where('m.conversation_id', '=', conversationId)
    .select(['m.id', 'm.position'])
  const rows = await queries.run(tenantId, query.compile())
  if (rows.length < new Set(ids).size) throw new BadCursor('not a message of this conversation')
  return new Map(rows.map(({ id, position }) => [id, position]))
}

export async function getMessage(queries: TenantQueries, tenantId: string, id: string): Promise<MessageView | undefined> {
  const [row] = await getMessages(queries, tenantId, [id])
  return row
}

/** Those of the ids that exist, in no order. */
export async function getMessages(queries: TenantQueries, tenantId: string, ids: readonly string[]): Promise<readonly MessageView[]> {
  return ids.length === 0 ? [] : queries.run(tenantId, ofTenant(tenantId).where('m.id', 'in', ids).compile())
}

/** The message that the provider knows by this id. */
export async function getMessageByProviderId(queries: TenantQueries, tenantId: string, providerId: string): Promise<MessageView | undefined> {
  const [row] = await queries.run(tenantId, ofTenant(tenantId).where('m.provider_id', '=', providerId).limit(1).compile())
  return row
}
