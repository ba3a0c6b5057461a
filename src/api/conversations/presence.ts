import { z } from 'zod'
import type { Presence } from '../../commands/conversations/presence.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { getConversation } from '../../projections/conversations/queries.ts'
import { latestInbound } from '../../projections/messages/latest-inbound.ts'
import { accepted } from '../http/call.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'

const params = z.object({ id: z.string().min(1).max(100) })

/** Tells the customer that we read up to a message (the last one, if none is named). Not waited for; what goes wrong here is nobody's error. */
export function tellRead(
  { reader, presence }: { reader: TenantQueries; presence: Presence },
  tenantId: string,
  seen: { conversationId: string; messageId?: string | undefined },
): void {
  latestInbound(reader, tenantId, seen)
    .then((found) => found && presence.read({ tenantId, conversationId: seen.conversationId, ...found }))
    .catch(() => undefined)
}

/** What the customer sees while somebody writes. */
export function presenceRoutes({ reader, presence }: { reader: TenantQueries; presence: Presence }): readonly Route[] {
  return [
    route({
      method: 'post',
      path: '/v1/conversations/{id}/typing',
      tag: 'Conversations',
      summary: 'Show the customer that somebody is writing',
      description:
        'For 25 seconds, or until the answer. WhatsApp marks the last message as read with it, so where `send_read_receipts` is off nothing is shown. Best effort.',
      access: 'messages:write',
      params,
      responses: { 202: { description: 'Passed on, if there is a message to show it on', schema: z.object({ id: z.string() }) } },
      reads: ['conversations', 'messages'],
      async handle({ tenantId, params: { id } }) {
        if ((await getConversation(reader, tenantId, id)) === undefined) throw problem('not_found')
        const found = await latestInbound(reader, tenantId, { conversationId: id })
        if (found !== undefined) presence.typing({ tenantId, conversationId: id, ...found })
        return accepted({ id })
      },
    }),
  ]
}
