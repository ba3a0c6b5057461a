import { z } from 'zod'
import { conversation as aggregate } from '../../domain/conversation/conversation.ts'
import type { ConversationEvent } from '../../domain/conversation/events.ts'
import { fromStored } from '../../domain/kernel/codec.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { TenantLog, TenantLogs } from '../../domain/kernel/event-store.ts'
import { isSecret } from '../../domain/kernel/secret.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { covers } from '../../domain/tenant/keys.ts'
import { event, renderEvent } from '../events/render.ts'
import { revealed } from '../events/reveal.ts'
import { ok } from '../http/call.ts'
import { badCursor, pageOf, paging } from '../http/paging.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import type { Opener } from '../messages/opening.ts'
import { summary } from './summary.ts'

const entry = event
  .extend({ summary: z.string().meta({ description: 'The event in a sentence' }) })
  .meta({ id: 'TimelineEntry', description: 'Personal fields are opened for keys with messages:read, else they stay sealed' })

/** Versions are int4 in the database; a page beyond the last of them must still be one that can be asked for. */
const lastVersion = 2_000_000_000

/** Everything that ever happened in a conversation, oldest first: its stream, readable. */
export function timelineRoutes({ logOf, open }: { logOf: TenantLogs; open: Opener }): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/v1/conversations/{id}/timeline',
      tag: 'Conversations',
      summary: 'All events of a conversation, oldest first',
      access: 'conversations:read',
      params: z.object({ id: z.string().min(1).max(100) }),
      query: z.object(paging),
      responses: { 200: { description: 'A page of the timeline', schema: pageOf(entry) } },
      async handle({ tenantId, params: { id }, query: { limit, cursor }, principal }) {
        const from = cursor === undefined ? 0 : Number(cursor)
        if (!Number.isSafeInteger(from) || from < 0 || from > lastVersion) throw badCursor()
        const log = logOf(tenantId)
        const events = await Array.fromAsync(log.readStream(streamRef(aggregate.category, tenantId, id), { after: from, upTo: from + limit + 1 }))
        if (events.length === 0 && from === 0) throw problem('not_found')
        const page = events.slice(0, limit)
        const contactId = await contactOf(log, tenantId, id, events[0])
        const reveal = covers(principal.scopes, 'messages:read') ? { open, contactId } : undefined
        const data = await Promise.all(page.map((recorded) => renderEntry(recorded, reveal)))
        return ok({ data, next_cursor: events.length > limit ? String(page.at(-1)?.version) : null })
      },
    }),
  ]
}

async function renderEntry(recorded: RecordedEvent, reveal: { open: Opener; contactId: string } | undefined): Promise<z.infer<typeof entry>> {
  const rendered = { ...renderEvent(recorded), summary: summary(fromStored<ConversationEvent>(recorded), recorded.meta.actor) }
  if (reveal === undefined) return rendered
  const { tenantId } = recorded.stream
  const opened = await Promise.all(
    Object.entries(recorded.data).map(async ([field, value]) => {
      if (!isSecret(value) || !('sealed' in value)) return []
      const text = await reveal.open({ tenantId, subject: reveal.contactId, eventId: recorded.id, field }, value.sealed)
      return [[field, revealed(recorded.type, field, text)]]
    }),
  )
  return { ...rendered, data: { ...rendered.data, ...(Object.fromEntries(opened.flat()) as typeof rendered.data) } }
}

/** Whose key seals the secrets: the first event of the stream says it. */
async function contactOf(log: TenantLog, tenantId: string, id: string, first: RecordedEvent | undefined): Promise<string> {
  if (first?.version === 1) return String(first.data['contactId'])
  for await (const started of log.readStream(streamRef(aggregate.category, tenantId, id), { upTo: 1 })) return String(started.data['contactId'])
  throw new Error('a conversation begins with its contact')
}
