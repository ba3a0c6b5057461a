import { z } from 'zod'
import type { TenantLog, TenantLogs } from '../../../domain/kernel/event-store.ts'
import { positionOf, start, type Position } from '../../../domain/kernel/position.ts'
import { covers } from '../../../domain/tenant/keys.ts'
import { askedFor } from '../../http/asked-for.ts'
import { sent } from '../../http/call.ts'
import { flag } from '../../http/paging.ts'
import { problem } from '../../http/problem.ts'
import { route, type Route } from '../../http/route.ts'
import { streamText } from '../../http/streaming.ts'
import type { Opener } from '../../messages/opening.ts'
import { moment } from '../../past/moment.ts'
import { renderEvent } from '../render.ts'
import { createRevealer } from '../reveal.ts'
import type { ExportedEvent } from './exported-event.ts'
import { exportFormats, formats } from './formats.ts'

const place = moment.optional()
const query = z.object({
  format: z.enum(exportFormats).default('ndjson'),
  type: z
    .string()
    .max(2_000)
    .transform((text) => text.split(','))
    .optional()
    .meta({ type: 'string', description: 'One type, or several with commas between them' }),
  from: place.meta({ type: 'string', description: 'A time (RFC 3339): from then on; or a position: what stands behind it' }),
  to: place.meta({ type: 'string', description: 'A time: what was before; or a position: up to it' }),
  reveal: flag.optional().meta({ description: '`true` opens personal fields: needs the scope events:reveal' }),
})

const revealing = 'events:reveal'
const pageLength = 1_000

/** The organisation's log as a file, as it is when it is asked for; made as fast as the client takes it. */
export function eventExportRoutes({ logOf, open }: { logOf: TenantLogs; open: Opener }): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/v1/events/export',
      tag: 'Log',
      summary: 'The log as NDJSON, CSV or Parquet, oldest first',
      description:
        'Personal fields stay sealed unless `reveal=true`. A file that is cut off was not whole: the connection is broken then. Every export is an entry of the audit trail.',
      access: 'events:read',
      query,
      responses: { 200: { description: 'The file', schema: z.string(), contentType: formats.ndjson.contentType } },
      audited: ({ req }) => ({ what: 'events_exported', filter: askedFor(req.query) }),
      async handle({ tenantId, principal, query, res, accessRecorded }): Promise<typeof sent> {
        const { format, type, reveal = false } = query
        if (reveal && !covers(principal.scopes, revealing)) {
          throw problem('forbidden', `To open personal fields needs the scope "${revealing}", which the key does not have.`)
        }
        const log = logOf(tenantId)
        const after = (await before(log, query.from)) ?? start
        const through = (await before(log, query.to)) ?? (await log.positionAt(farthest))
        const filter = { tenantId, ...(type === undefined ? {} : { types: type }) }
        async function* pages(): AsyncGenerator<readonly ExportedEvent[]> {
          for (let from = after; from < through;) {
            const page = await log.readAll({ after: from, filter, limit: pageLength })
            const events = page.events.filter(({ position }) => position <= through)
            const shown = reveal ? await Promise.all(events.map(createRevealer({ log, open }))) : events
            yield shown.map((event) => ({ tenant_id: tenantId, ...renderEvent(event) }))
            if (page.events.length === 0 || page.through <= from) return
            from = page.through
          }
        }
        await accessRecorded
        const { contentType, encode } = formats[format]
        res
          .status(200)
          .type(contentType)
          .set({ 'Content-Disposition': `attachment; filename="events.${format}"`, 'Cache-Control': 'no-store' })
        await streamText(res, encode(pages()))
        return sent
      },
    }),
  ]
}

/** Beyond every event. */
const farthest = positionOf(Number.MAX_SAFE_INTEGER)

/** The last position that stands before a moment; a position as it is. Times are whole milliseconds. */
const before = async (log: TenantLog, at: Date | Position | undefined): Promise<Position | undefined> =>
  at instanceof Date ? log.positionAt(new Date(at.getTime() - 1)) : at
