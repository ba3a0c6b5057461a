import { z } from 'zod'
import type { Inbox } from '../../commands/conversations/inbox.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { getMessage } from '../../projections/messages/queries.ts'
import { listTroubled, troubledStatuses } from '../../projections/messages/troubled.ts'
import { ok } from '../http/call.ts'
import { pageOf, paging } from '../http/paging.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import type { ShowMedia } from '../media/view.ts'
import { listed } from './listed.ts'
import type { Opener } from './opening.ts'
import { done } from './refusals.ts'
import { renderMessages } from './render.ts'
import { message } from './schema.ts'

const params = z.object({ id: z.string().min(1).max(100) })
const resolution = z.strictObject({ as: z.enum(['sent', 'failed']), note: z.string().max(1000).optional() })

/** Messages that somebody has to look at, and the decision about those of which nobody knows. Sending them again: `messageRoutes`. */
export function attentionRoutes({
  reader,
  open,
  showMedia,
  inbox,
}: {
  reader: TenantQueries
  open: Opener
  showMedia: ShowMedia
  inbox: Pick<Inbox, 'resolve'>
}): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/v1/dead-letters',
      tag: 'Messages',
      summary: 'Messages that failed, and those of which nobody knows whether they left; newest first',
      description:
        'Each with its `error`: what happened and what to do. `POST /v1/messages/{id}/retry` sends one again, `POST /v1/messages/{id}/resolve` says what became of one whose outcome is unknown.',
      access: 'messages:read',
      query: z.object({ ...paging, status: z.enum(troubledStatuses).optional(), channel: z.string().max(100).optional() }),
      responses: { 200: { description: 'A page of messages', schema: pageOf(message) } },
      reads: ['messages', 'messageChanges'],
      async handle({ tenantId, query: { channel, ...query } }) {
        return listed(listTroubled(reader, tenantId, { ...query, channelId: channel }), (rows) => renderMessages(tenantId, rows, open, showMedia))
      },
    }),
    route({
      method: 'post',
      path: '/v1/messages/{id}/resolve',
      tag: 'Messages',
      summary: 'Say what became of a message whose outcome is unknown',
      description: 'A report of the provider that comes later still counts. A message resolved as failed can be sent again.',
      access: 'messages:write',
      params,
      body: resolution,
      responses: { 200: { description: 'Done, or already so', schema: z.object({ id: z.string(), conversation_id: z.string() }) } },
      problems: ['message_not_resolvable'],
      reads: ['messages'],
      async handle({ tenantId, params: { id }, body: { as, note }, context }) {
        const row = await getMessage(reader, tenantId, id)
        if (row === undefined) throw problem('not_found')
        const { conversationId } = row
        const said = { conversationId, messageId: id, as, by: 'person' as const, ...(note === undefined ? {} : { note }) }
        const { position } = done(await inbox.resolve(said, context))
        return ok({ id, conversation_id: conversationId }, { position })
      },
    }),
  ]
}
