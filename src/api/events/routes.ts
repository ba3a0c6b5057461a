import { z } from 'zod'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { TenantLog, TenantLogs } from '../../domain/kernel/event-store.ts'
import { parsePosition, start, type Position } from '../../domain/kernel/position.ts'
import { categories, streamRef, type StreamRef } from '../../domain/kernel/stream.ts'
import { covers } from '../../domain/tenant/keys.ts'
import { ok } from '../http/call.ts'
import { askedFor } from '../http/asked-for.ts'
import { flag, pageOf, paging } from '../http/paging.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import type { Opener } from '../messages/opening.ts'
import { event, renderEvent } from './render.ts'
import { createRevealer } from './reveal.ts'

/** Most events that one request looks at: a rare correlation id in a long log is searched over several pages, each of them quick. */
const lookedAt = 5_000

const position = z
  .string()
  .regex(/^\d{1,20}$/, 'must be a position')
  .transform((text) => parsePosition(text) ?? start)

const query = z.object({
  limit: paging.limit,
  after: position.optional().meta({ type: 'string', description: 'A position; `next_cursor` of the page before' }),
  cursor: position.optional().meta({ type: 'string', description: 'The same as `after`' }),
  stream: z
    .string()
    .regex(new RegExp(`^(${categories.join('|')})-.{1,200}$`), 'must be <category>-<id>')
    .optional()
    .meta({ description: '`<category>-<id>`, e.g. `conversation-…`' }),
  type: z
    .string()
    .max(500)
    .transform((text) => text.split(','))
    .optional()
    .meta({ type: 'string', description: 'One type, or several with commas between them' }),
  correlation_id: z.string().min(1).max(200).optional(),
  reveal: flag.optional().meta({ description: '`true` opens personal fields: needs the scope events:reveal, and is an entry of the audit trail' }),
})
type Query = z.output<typeof query>
type Found = { readonly events: readonly RecordedEvent[]; readonly next: Position | null }

const revealing = 'events:reveal'

/** The log of the tenant that asks, oldest first. */
export function eventRoutes({ logOf, open }: { logOf: TenantLogs; open: Opener }): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/v1/events',
      tag: 'Log',
      summary: 'The log, oldest first; personal fields stay sealed unless `reveal=true`',
      description:
        'A page may hold fewer events than `limit`, even none, and still have a `next_cursor`: the search goes on there. It is null at the end of the log.',
      access: 'events:read',
      query,
      responses: { 200: { description: 'A page of the log', schema: pageOf(event) } },
      audited: ({ principal, query: { reveal }, req }) =>
        reveal === true && covers(principal.scopes, revealing) ? { what: 'events_revealed', filter: askedFor(req.query) } : undefined,
      async handle({ tenantId, principal, query }) {
        if (query.reveal === true && !covers(principal.scopes, revealing)) {
          throw problem('forbidden', `To open personal fields needs the scope "${revealing}", which the key does not have.`)
        }
        const log = logOf(tenantId)
        const { events, next } = await (query.stream === undefined ? inLog(log, tenantId, query) : inStream(log, tenantId, query))
        const shown = query.reveal === true ? await Promise.all(events.map(createRevealer({ log, open }))) : events
        return ok({ data: shown.map(renderEvent), next_cursor: next })
      },
    }),
  ]
}

const wanted =
  ({ type, correlation_id: correlation }: Query) =>
  (event: RecordedEvent): boolean =>
    (type === undefined || type.includes(event.type)) && (correlation === undefined || event.meta.correlationId === correlation)

async function inLog(log: TenantLog, tenantId: string, query: Query): Promise<Found> {
  const filter = { tenantId, ...(query.type === undefined ? {} : { types: query.type }) }
  const matches = wanted(query)
  const events: RecordedEvent[] = []
  let after = query.cursor ?? query.after ?? start
  for (let seen = 0; seen < lookedAt;) {
    const page = await log.readAll({ after, filter, limit: query.correlation_id === undefined ? query.limit : 1_000 })
    for (const event of page.events) {
      if (!matches(event)) continue
      events.push(event)
      if (events.length === query.limit) return { events, next: event.position }
    }
    if (page.events.length === 0) return { events, next: null }
    seen += page.events.length
    after = page.through
  }
  return { events, next: after }
}

async function inStream(log: TenantLog, tenantId: string, query: Query): Promise<Found> {
  const after = query.cursor ?? query.after ?? start
  const matches = wanted(query)
  const events: RecordedEvent[] = []
  for await (const event of log.readStream(refOf(tenantId, query.stream ?? ''))) {
    if (event.position <= after || !matches(event)) continue
    events.push(event)
    if (events.length === query.limit) return { events, next: event.position }
  }
  return { events, next: null }
}

/** The tenant is the caller's, whatever the text says: another tenant's stream cannot even be named. */
function refOf(tenantId: string, name: string): StreamRef {
  const cut = name.indexOf('-')
  const category = categories.find((known) => known === name.slice(0, cut)) ?? 'conversation'
  return streamRef(category, tenantId, name.slice(cut + 1))
}
