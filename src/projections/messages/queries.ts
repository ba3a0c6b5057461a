import type { MessageError, Sender } from '../../domain/conversation/events.ts'
import { queryBuilder, type TenantQueries } from '../../postgres/queries.ts'
import { selection, type Read, type ReadTable } from '../engine/naming.ts'
import { BadCursor } from '../engine/page.ts'
import { changesId } from '../messageChanges/projection.ts'
import { joinedChanges, type ChangesTables, type JoinedChanges } from '../messageChanges/queries.ts'
import { messages, type MessageRow, type Priced, type StatusEntry } from './projection.ts'

type MessageColumns = Read<
  MessageRow,
  {
    readonly sentBy: Sender | null
    readonly error: MessageError | null
    readonly statusHistory: readonly StatusEntry[]
    readonly pricing: Priced | null
  }
>

/**
 * `content` and `raw` are sealed for (contactId, eventId, `content` | `raw`), an edited content and the emojis of reactions each for their own.
 * `replyToId` is our id of the message it answers, where we have that.
 */
export type MessageView = MessageColumns & JoinedChanges & { readonly replyToId: string | null }

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

/** The place of a message in its thread. */
type Place = Pick<MessageColumns, 'threadAt' | 'position'>

const db = queryBuilder<{ 'rm_messages.messages': ReadTable<MessageColumns> } & ChangesTables>()

const ofTenant = (tenantId: string) =>
  db
    .selectFrom('rm_messages.messages as m')
    // Joined when it is read, because a change may come before its message (ADR 0021).
    .leftJoin('rm_message_changes.message_changes as x', (join) =>
      join.onRef('x.tenant_id', '=', 'm.tenant_id').onRef('x.channel_id', '=', 'm.channel_id').onRef('x.target_id', '=', 'm.provider_id'),
    )
    .where('m.tenant_id', '=', tenantId)
    .select(selection<MessageColumns, 'm'>(messages.table, 'm'))
    .select(joinedChanges('x'))
    .select((eb) =>
      eb
        .selectFrom('rm_messages.messages as answered')
        .whereRef('answered.tenant_id', '=', 'm.tenant_id')
        .whereRef('answered.provider_id', '=', 'm.reply_to')
        .select('answered.id')
        .limit(1)
        .as('replyToId'),
    )

/** The statement of `listMessages` once it knows the places of its ends, for it and for the test of its plan. */
export function threadQuery(
  tenantId: string,
  { conversationId, limit, before, after }: { conversationId: string; limit: number; before?: Place | undefined; after?: Place | undefined },
) {
  const direction = after === undefined ? 'desc' : 'asc'
  let query = ofTenant(tenantId)
    .where('m.conversation_id', '=', conversationId)
    // A reaction of ours is shown on its target; as a message it has a page of its own only.
    .where('m.reacts_to', 'is', null)
    .orderBy('m.thread_at', direction)
    .orderBy('m.position', direction)
    .limit(limit + 1)
  if (before !== undefined) query = query.where((eb) => eb(eb.refTuple('m.thread_at', 'm.position'), '<', eb.tuple(before.threadAt, before.position)))
  if (after !== undefined) query = query.where((eb) => eb(eb.refTuple('m.thread_at', 'm.position'), '>', eb.tuple(after.threadAt, after.position)))
  return query.compile()
}

/** A conversation's messages, newest first in every case. @throws BadCursor when `before` or `after` is no message of this conversation. */
export async function listMessages(
  queries: TenantQueries,
  tenantId: string,
  { conversationId, before, after, limit }: ThreadFilter,
): Promise<Thread> {
  const places = await placesOf(queries, tenantId, conversationId, [before, after])
  const found = await queries.run(
    tenantId,
    threadQuery(tenantId, {
      conversationId,
      limit,
      before: before === undefined ? undefined : places.get(before),
      after: after === undefined ? undefined : places.get(after),
    }),
  )
  const kept = found.slice(0, limit)
  const next = found.length > limit ? kept.at(-1)?.id : undefined
  return { rows: after === undefined ? kept : kept.toReversed(), next }
}

async function placesOf(
  queries: TenantQueries,
  tenantId: string,
  conversationId: string,
  anchors: readonly (string | undefined)[],
): Promise<ReadonlyMap<string, Place>> {
  const ids = anchors.filter((id) => id !== undefined)
  if (ids.length === 0) return new Map()
  const query = db
    .selectFrom('rm_messages.messages as m')
    .where('m.tenant_id', '=', tenantId)
    .where('m.id', 'in', ids)
    .where('m.conversation_id', '=', conversationId)
    .select(['m.id', 'm.thread_at as threadAt', 'm.position'])
  const rows = await queries.run(tenantId, query.compile())
  if (rows.length < new Set(ids).size) throw new BadCursor('not a message of this conversation')
  return new Map(rows.map(({ id, threadAt, position }) => [id, { threadAt, position }]))
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

/** A message as a change names it. */
export type Target = { readonly channelId: string; readonly providerId: string }

/** Those of the targets that are here, in no order. */
export async function getTargets(queries: TenantQueries, tenantId: string, targets: readonly Target[]): Promise<readonly MessageView[]> {
  if (targets.length === 0) return []
  const wanted = new Set(targets.map(({ channelId, providerId }) => changesId(channelId, providerId)))
  const providerIds = [...new Set(targets.map(({ providerId }) => providerId))]
  const rows = await queries.run(tenantId, ofTenant(tenantId).where('m.provider_id', 'in', providerIds).compile())
  return rows.filter(({ channelId, providerId }) => providerId !== null && wanted.has(changesId(channelId, providerId)))
}
