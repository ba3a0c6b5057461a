import { z } from 'zod'
import type { Inbox } from '../../commands/conversations/inbox.ts'
import type { TenantLogs } from '../../domain/kernel/event-store.ts'
import { BadCursor } from '../../projections/engine/page.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { getConversation } from '../../projections/conversations/queries.ts'
import { messageAsOf, threadAsOf } from '../../projections/messages/as-of.ts'
import { getMessage, listMessages, type Thread } from '../../projections/messages/queries.ts'
import { accepted, ok } from '../http/call.ts'
import { paging } from '../http/paging.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import type { ShowMedia } from '../media/view.ts'
import { asOf } from '../past/moment.ts'
import type { Opener } from './opening.ts'
import { done } from './refusals.ts'
import { renderMessages, versionOf } from './render.ts'
import { message } from './schema.ts'

const params = z.object({ id: z.string().min(1).max(100) })
const anchor = z.string().min(1).max(100).optional()
const thread = z.object({ data: z.array(message), next_cursor: z.string().nullable() }).meta({
  description: '`next_cursor` goes into `cursor`, beside the `after` of this request if there was one; it is the id of the last message of this page',
})

/** Reading threads and messages, and asking for another attempt. */
export function messageRoutes({
  reader,
  logOf,
  open,
  showMedia,
  inbox,
}: {
  reader: TenantQueries
  logOf: TenantLogs
  open: Opener
  showMedia: ShowMedia
  inbox: Pick<Inbox, 'retry'>
}): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/v1/conversations/{id}/messages',
      tag: 'Messages',
      summary: 'The messages of a conversation, newest first',
      access: 'messages:read',
      params,
      query: z.object({
        limit: paging.limit,
        before: anchor.meta({ description: 'Older than the message with this id' }),
        after: anchor.meta({ description: 'Newer than the message with this id' }),
        cursor: anchor.meta({ description: 'The `next_cursor` of the page before: goes on in its direction' }),
        as_of: asOf,
      }),
      responses: { 200: { description: 'A page of the thread', schema: thread } },
      reads: ['messages', 'messageChanges', 'conversations', 'media'],
      async handle({ tenantId, params: { id }, query: { as_of: moment, cursor, ...query } }) {
        const filter = { conversationId: id, ...query, ...wentOn(query, cursor) }
        const log = logOf(tenantId)
        const position = moment === undefined ? undefined : await log.positionAt(moment)
        const thread = await anchored(async () => {
          if (position !== undefined) return threadAsOf(log, { tenantId, position }, filter)
          return (await getConversation(reader, tenantId, id)) === undefined ? undefined : listMessages(reader, tenantId, filter)
        })
        if (thread === undefined) throw problem('not_found')
        return ok({ data: await renderMessages(tenantId, thread.rows, open, showMedia), next_cursor: thread.next ?? null }, { position })
      },
    }),
    route({
      method: 'get',
      path: '/v1/messages/{id}',
      tag: 'Messages',
      summary: 'One message',
      access: 'messages:read',
      params,
      query: z.object({ as_of: asOf }),
      responses: { 200: { description: 'The message', schema: message } },
      reads: ['messages', 'messageChanges', 'media'],
      async handle({ tenantId, params: { id }, query: { as_of: moment } }) {
        const present = await getMessage(reader, tenantId, id)
        if (present === undefined) throw problem('not_found')
        const log = logOf(tenantId)
        const position = moment === undefined ? undefined : await log.positionAt(moment)
        const row = position === undefined ? present : await messageAsOf(log, { tenantId, position }, present)
        if (row === undefined) throw problem('not_found')
        const [body] = await renderMessages(tenantId, [row], open, showMedia)
        return ok(body, { version: versionOf(row), position })
      },
    }),
    route({
      method: 'post',
      path: '/v1/messages/{id}/retry',
      tag: 'Messages',
      summary: 'Send a failed message again, or one whose outcome is unknown',
      description:
        'A message whose outcome is unknown may have reached the customer: sending it again may show it twice, so only a person decides that.',
      access: 'messages:write',
      params,
      responses: {
        202: {
          description: 'It is queued again',
          schema: z.object({ id: z.string(), conversation_id: z.string(), status: z.literal('queued') }),
        },
      },
      problems: ['message_not_retryable'],
      reads: ['messages'],
      async handle({ tenantId, params: { id }, context }) {
        const row = await getMessage(reader, tenantId, id)
        if (row === undefined) throw problem('not_found')
        const { position } = done(await inbox.retry({ conversationId: row.conversationId, messageId: id }, context))
        return accepted({ id, conversation_id: row.conversationId, status: 'queued' }, { position })
      },
    }),
  ]
}

/** A cursor takes the place of the end that the first page was asked with; without one it walks back, as the list does. */
const wentOn = ({ after }: { after?: string | undefined }, cursor: string | undefined): { before?: string; after?: string } =>
  cursor === undefined ? {} : after === undefined ? { before: cursor } : { after: cursor }

async function anchored(list: () => Promise<Thread | undefined>): Promise<Thread | undefined> {
  try {
    return await list()
  } catch (error) {
    if (!(error instanceof BadCursor)) throw error
    const wrong = { path: 'query', code: 'unknown_message', message: '`before`, `after` and `cursor` name messages of this conversation' }
    throw problem('invalid_request', { errors: [wrong] })
  }
}
