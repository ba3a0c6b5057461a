import { z } from 'zod'
import { channel as channelAggregate } from '../../domain/channel/channel.ts'
import { contact as contactAggregate } from '../../domain/contact/contact.ts'
import { conversation as conversationAggregate } from '../../domain/conversation/conversation.ts'
import type { TenantLog, TenantLogs } from '../../domain/kernel/event-store.ts'
import type { Position } from '../../domain/kernel/position.ts'
import { streamRef, type Category } from '../../domain/kernel/stream.ts'
import { channels } from '../../projections/channels/projection.ts'
import type { ChannelView } from '../../projections/channels/queries.ts'
import { contacts } from '../../projections/contacts/projection.ts'
import type { ContactView } from '../../projections/contacts/queries.ts'
import { conversationAsOf } from '../../projections/conversations/as-of.ts'
import { foldAsOf, viewOf } from '../../projections/engine/as-of.ts'
import { sentence } from '../audit/sentences/sentence.ts'
import { actorName } from '../audit/sentences/voice.ts'
import { renderChannel } from '../channels/render.ts'
import type { ChannelViewDeps } from '../channels/view.ts'
import { renderContact } from '../contacts/render.ts'
import { renderConversation } from '../conversations/render.ts'
import { event, renderEvent } from '../events/render.ts'
import { ok, type Answer } from '../http/call.ts'
import { badCursor, paging } from '../http/paging.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import type { Scope } from '../http/scopes.ts'
import type { Opener } from '../messages/opening.ts'
import { changesBetween } from './changes.ts'
import { moment } from './moment.ts'

const diff = z
  .object({
    from: z.object({ position: z.string(), existed: z.boolean() }),
    to: z.object({ position: z.string(), existed: z.boolean() }),
    changes: z
      .array(z.object({ field: z.string(), before: z.unknown().optional(), after: z.unknown().optional() }))
      .meta({ description: 'Fields that are not the same, as the resource has them; absent where there was none. Names of inner fields have a dot' }),
    events: z
      .array(event.extend({ summary: z.string() }))
      .meta({ description: 'What happened in between, oldest first; personal fields stay sealed' }),
    next_cursor: z.string().nullable().meta({ description: 'More events; `changes` are complete on every page' }),
  })
  .meta({ id: 'Diff' })

type Body = Readonly<Record<string, unknown>>
type At = { readonly tenantId: string; readonly id: string; readonly position: Position }
type Kind = {
  readonly name: string
  readonly path: string
  readonly tag: string
  readonly category: Category
  readonly access: Scope
  /** The resource as it was; undefined when there was none. */
  readonly asOf: (log: TenantLog, at: At) => Promise<Body | undefined>
}

const query = z.object({
  ...paging,
  from: moment.meta({ type: 'string', description: 'A time (RFC 3339) or a position' }),
  to: moment.optional().meta({ type: 'string', description: 'The same; the present when it is left out' }),
})

/** Versions are int4 in the database; a page beyond the last of them must still be one that can be asked for. */
const lastVersion = 2_000_000_000

/** What changed between two moments: fields before and after, and the events that did it. */
export function diffRoutes({
  logOf,
  open,
  directory,
}: {
  logOf: TenantLogs
  open: Opener
  directory: Pick<ChannelViewDeps['directory'], 'channelOf'>
}): readonly Route[] {
  return kindsOf({ open, directory }).map((kind) =>
    route({
      method: 'get',
      path: `/v1/${kind.path}/{id}/diff`,
      tag: kind.tag,
      summary: `What changed of a ${kind.name} between two moments`,
      access: kind.access,
      params: z.object({ id: z.string().min(1).max(100) }),
      query,
      responses: { 200: { description: 'What changed', schema: diff } },
      handle: async ({ tenantId, params: { id }, query }) => answer(logOf(tenantId), kind, { tenantId, id }, query),
    }),
  )
}

async function answer(
  log: TenantLog,
  { name, category, asOf }: Kind,
  { tenantId, id }: { tenantId: string; id: string },
  { from, to = new Date(), cursor, limit }: z.output<typeof query>,
): Promise<Answer> {
  const version = cursor === undefined ? 0 : Number(cursor)
  if (!Number.isSafeInteger(version) || version < 0 || version > lastVersion) throw badCursor()
  const [earlier, later] = await Promise.all([log.positionAt(from), log.positionAt(to)])
  if (earlier > later) {
    throw problem('invalid_request', { errors: [{ path: 'query.to', code: 'before_from', message: 'must not be before `from`' }] })
  }
  const [before, after, events] = await Promise.all([
    asOf(log, { tenantId, id, position: earlier }),
    asOf(log, { tenantId, id, position: later }),
    Array.fromAsync(log.readStream(streamRef(category, tenantId, id), { asOf: later, after: version })),
  ])
  const between = events.filter(({ position }) => position > earlier)
  if (before === undefined && after === undefined && between.length === 0) throw problem('not_found')
  const page = between.slice(0, limit)
  const body = {
    from: { position: earlier, existed: before !== undefined },
    to: { position: later, existed: after !== undefined },
    changes: changesBetween(before, after),
    events: page.map((recorded) => ({
      ...renderEvent(recorded),
      summary: sentence(recorded, { by: actorName(recorded.meta.actor), customer: 'the customer', thing: `the ${name}` }),
    })),
    next_cursor: between.length > limit ? String(page.at(-1)?.version) : null,
  }
  return ok(body, { position: later })
}

function kindsOf({ open, directory }: { open: Opener; directory: Pick<ChannelViewDeps['directory'], 'channelOf'> }): readonly Kind[] {
  return [
    {
      name: 'conversation',
      path: 'conversations',
      tag: 'Conversations',
      category: conversationAggregate.category,
      access: 'conversations:read',
      async asOf(log, at) {
        const row = await conversationAsOf(log, at)
        return row === undefined ? undefined : renderConversation(at.tenantId, row, open)
      },
    },
    {
      name: 'contact',
      path: 'contacts',
      tag: 'Contacts',
      category: contactAggregate.category,
      access: 'contacts:read',
      async asOf(log, at) {
        const row = await foldAsOf(log, contacts, at)
        return row === undefined ? undefined : renderContact(at.tenantId, viewOf<ContactView>(contacts, row), open)
      },
    },
    {
      name: 'channel',
      path: 'channels',
      tag: 'Channels',
      category: channelAggregate.category,
      access: 'channels:read',
      async asOf(log, at) {
        const row = await foldAsOf(log, channels, at)
        return row === undefined ? undefined : renderChannel(viewOf<ChannelView>(channels, row), directory.channelOf(at.tenantId, at.id))
      },
    },
  ]
}
