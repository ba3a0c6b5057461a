import { z } from 'zod'
import type { Inbox } from '../../commands/conversations/inbox.ts'
import type { Presence } from '../../commands/conversations/presence.ts'
import type { TenantLogs } from '../../domain/kernel/event-store.ts'
import { contacts } from '../../projections/contacts/projection.ts'
import { conversationAsOf } from '../../projections/conversations/as-of.ts'
import { conversations } from '../../projections/conversations/projection.ts'
import { getConversation, listConversations } from '../../projections/conversations/queries.ts'
import type { Projection } from '../../projections/engine/projection.ts'
import { messageChanges } from '../../projections/messageChanges/projection.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { ok } from '../http/call.ts'
import { flag, pageOf, paging } from '../http/paging.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import { listed } from '../messages/listed.ts'
import { notSupported } from '../messages/not-supported.ts'
import type { Opener } from '../messages/opening.ts'
import { done } from '../messages/refusals.ts'
import { momentProblems, type ReaderAt } from '../past/lists.ts'
import { asOf } from '../past/moment.ts'
import { tellRead } from './presence.ts'
import { renderConversation, renderConversations } from './render.ts'
import { conversation, conversationStatuses } from './schema.ts'

const params = z.object({ id: z.string().min(1).max(100) })
const moment = z.iso.datetime({ offset: true }).transform((text) => new Date(text))
const momentDoc = { type: 'string', format: 'date-time' } as const
/** Nobody is assigned and nothing is labelled yet: whatever value is asked for, no conversation has it. */
const noneYet = z.string().max(200).optional().meta({ description: 'No conversation has one yet' })
const given = (value: string | undefined): boolean => value !== undefined && value !== ''
const inboxReads: readonly Projection[] = [conversations, contacts, messageChanges]
const changed = { 200: { description: 'Done, or already so', schema: z.object({ id: z.string() }) } }

/** The inbox: lists, one conversation, and what people do with it besides writing. */
export function conversationRoutes({
  reader,
  readerAt,
  logOf,
  open,
  inbox,
  presence,
}: {
  reader: TenantQueries
  readerAt: ReaderAt
  logOf: TenantLogs
  open: Opener
  inbox: Inbox
  presence: Presence
}): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/v1/conversations',
      tag: 'Conversations',
      summary: 'The inbox, newest activity first',
      access: 'conversations:read',
      query: z.object({
        ...paging,
        status: z.enum(conversationStatuses).optional(),
        channel: z.string().max(100).optional(),
        unread: flag.optional(),
        updated_since: moment.optional().meta(momentDoc),
        assignee: noneYet,
        team: noneYet,
        label: noneYet,
        q: z.string().max(500).optional().meta({ description: 'Not supported yet: refused' }),
        as_of: asOf,
      }),
      responses: { 200: { description: 'A page of the inbox', schema: pageOf(conversation) } },
      reads: inboxReads.map(({ name }) => name),
      problems: momentProblems,
      async handle({ tenantId, query: { channel, updated_since: updatedSince, assignee, team, label, q, as_of: moment, ...query } }) {
        if (given(q)) throw notSupported('q', 'conversations cannot be searched by words')
        if ([assignee, team, label].some(given)) return ok({ data: [], next_cursor: null })
        const { queries, position } = await readerAt(tenantId, inboxReads, moment)
        const page = listConversations(queries, tenantId, { ...query, channelId: channel, updatedSince })
        return listed(page, (rows) => renderConversations(tenantId, rows, open), position)
      },
    }),
    route({
      method: 'get',
      path: '/v1/conversations/{id}',
      tag: 'Conversations',
      summary: 'One conversation',
      access: 'conversations:read',
      params,
      query: z.object({ as_of: asOf }),
      responses: { 200: { description: 'The conversation', schema: conversation } },
      reads: ['conversations', 'contacts', 'messageChanges'],
      async handle({ tenantId, params: { id }, query: { as_of: moment } }) {
        const log = logOf(tenantId)
        const position = moment === undefined ? undefined : await log.positionAt(moment)
        const row = await (position === undefined ? getConversation(reader, tenantId, id) : conversationAsOf(log, { tenantId, id, position }))
        if (row === undefined) throw problem('not_found')
        return ok(await renderConversation(tenantId, row, open), { version: row.version, position })
      },
    }),
    route({
      method: 'post',
      path: '/v1/conversations/{id}/read',
      tag: 'Conversations',
      summary: 'Mark as read, up to a message or wholly',
      description: 'The customer sees it too (blue ticks), unless the setting `send_read_receipts` is false.',
      access: 'conversations:write',
      params,
      body: z.strictObject({ message_id: z.string().min(1).max(100).optional().meta({ description: 'The last message that was seen' }) }),
      bodyOptional: true,
      responses: changed,
      reads: ['messages'],
      problems: ['precondition_failed'],
      async handle({ params: { id }, body, context, ifVersion }) {
        const through = body.message_id === undefined ? {} : { throughMessageId: body.message_id }
        const { position, version } = done(await inbox.markRead({ conversationId: id, ...through }, context, { ifVersion }))
        tellRead({ reader, presence }, context.tenantId, { conversationId: id, messageId: body.message_id })
        return ok({ id }, { position, version })
      },
    }),
    route({
      method: 'post',
      path: '/v1/conversations/{id}/status',
      tag: 'Conversations',
      summary: 'Open, set aside or resolve',
      access: 'conversations:write',
      params,
      body: z.strictObject({ status: z.enum(['open', 'pending', 'resolved']) }),
      responses: changed,
      problems: ['precondition_failed'],
      async handle({ params: { id }, body: { status }, context, ifVersion }) {
        const { position, version } = done(await inbox.setStatus({ conversationId: id, status }, context, { ifVersion }))
        return ok({ id }, { position, version })
      },
    }),
    route({
      method: 'post',
      path: '/v1/conversations/{id}/snooze',
      tag: 'Conversations',
      summary: 'Hide until a moment; a message of the customer brings it back earlier',
      access: 'conversations:write',
      params,
      body: z.strictObject({ until: moment.meta(momentDoc) }),
      responses: changed,
      problems: ['conversation_resolved', 'snooze_in_the_past', 'precondition_failed'],
      async handle({ params: { id }, body: { until }, context, ifVersion }) {
        const { position, version } = done(await inbox.snooze({ conversationId: id, until }, context, { ifVersion }))
        return ok({ id }, { position, version })
      },
    }),
  ]
}
