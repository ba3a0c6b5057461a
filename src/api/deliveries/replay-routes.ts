import { z } from 'zod'
import type { ReplayDelivery, ReplayOutcome } from '../../commands/deliveries/replay-delivery.ts'
import type { Replays, ReplayView } from '../../commands/deliveries/replays.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import { parsePosition, start, type Position } from '../../domain/kernel/position.ts'
import type { ReplayFilter } from '../../domain/replay/events.ts'
import { idParams, line } from '../http/fields.ts'
import { ok } from '../http/call.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import { settled } from '../http/settled.ts'
import { mostShown, renderWould, wouldAppend } from './would.ts'

const tag = 'Deliveries'
/** Most deliveries of one dry run: each is worked through before the answer. */
const mostTried = 200
const usualRate = 50

/** Stuck deliveries of a tenant in the order of the log. */
export type FindStuck = (
  tenantId: string,
  filter: ReplayFilter,
  walk: { after: Position; upto: Position; limit: number },
) => Promise<readonly { readonly id: string; readonly position: Position }[]>

const filter = z.strictObject({
  state: z.enum(['failed', 'parked']).optional().meta({ description: 'Both when absent' }),
  from: z.iso.datetime({ offset: true }).optional().meta({ description: 'Received at or after' }),
  to: z.iso.datetime({ offset: true }).optional().meta({ description: 'Received before' }),
  phone_number_id: z.string().max(100).optional().meta({ description: "Meta's id of the number that a part of it is for" }),
  item: z
    .enum(['message', 'status', 'recorded', 'change', 'contact', 'news', 'unreadable'])
    .optional()
    .meta({ description: 'What of it could not be applied' }),
  error: line(200).optional().meta({ description: 'A part of the text of an error' }),
})

const utc = (text: string): string => new Date(text).toISOString()
const filterOf = ({ phone_number_id, from, to, ...rest }: z.infer<typeof filter>): ReplayFilter =>
  dropUndefined({
    ...rest,
    phoneNumberId: phone_number_id,
    from: from === undefined ? undefined : utc(from),
    to: to === undefined ? undefined : utc(to),
  })
const dropUndefined = (all: Record<string, string | undefined>): ReplayFilter =>
  Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))

const tried = z.object({
  id: z.string(),
  items: z.number().int(),
  failed: z.number().int().meta({ description: 'Items that could not be applied' }),
  waiting: z.boolean().meta({ description: 'Its number is still not connected' }),
})
const events = {
  events: z
    .array(wouldAppend)
    .optional()
    .meta({ description: `What would be appended, in a dry run: the first ${mostShown}` }),
  more_events: z.number().int().optional().meta({ description: 'Events beyond those' }),
}

const counts = {
  matched: z.number().int(),
  replayed: z.number().int(),
  unreadable: z.number().int().meta({ description: 'Deliveries whose body is no longer kept, or was erased' }),
  waiting: z.number().int().meta({ description: 'Deliveries whose number is still not connected' }),
  items: z.number().int(),
  failed: z.number().int().meta({ description: 'Items that could not be applied' }),
}
const replaySchema = z
  .object({
    id: z.string(),
    state: z.enum(['running', 'cancelled', 'finished']).meta({ description: '`cancelled` becomes `finished` once the one under way is done' }),
    cancelled: z.boolean(),
    filter,
    rate_per_second: z.number().int(),
    total: z.number().int().nullable().meta({ description: 'Deliveries that match; null before it has begun' }),
    ...counts,
  })
  .meta({ id: 'Replay' })

const renderReplay = ({ filter: { phoneNumberId, ...rest }, rate, total, counts: done, version: _version, ...view }: ReplayView) => ({
  ...view,
  filter: { ...rest, ...(phoneNumberId === undefined ? {} : { phone_number_id: phoneNumberId }) } as z.infer<typeof filter>,
  rate_per_second: rate,
  total: total ?? null,
  ...done,
})

type Good = Extract<ReplayOutcome, { items: number }>
const renderTried = (id: string, { items, failed, waiting, events: would = [] }: Good, dryRun: boolean) => ({
  id,
  items,
  failed,
  waiting,
  ...(dryRun ? { events: would.slice(0, mostShown).map(renderWould), more_events: Math.max(0, would.length - mostShown) } : {}),
})

/** Applying deliveries again: one at once, many by a replay that goes on by itself. */
export function replayRoutes({
  replay,
  replays,
  find,
  head,
}: {
  replay: ReplayDelivery
  replays: Replays
  find: FindStuck
  head: () => Promise<{ position: Position }>
}): readonly Route[] {
  /** What a replay of many would do, a bounded number of them at a time. */
  async function rehearse(wish: ReplayFilter, { limit, after }: { limit: number; after: Position }, context: CommandContext) {
    const { position: upto } = await head()
    const stuck = await find(context.tenantId, wish, { after, upto, limit })
    const shown: ReturnType<typeof renderTried>[] = []
    let unreadable = 0
    for (const { id } of stuck) {
      const outcome = await replay({ deliveryId: id, dryRun: true }, context)
      if ('items' in outcome) shown.push(renderTried(id, outcome, true))
      else unreadable++
    }
    const total = (of: (one: (typeof shown)[number]) => number): number => shown.reduce((sum, one) => sum + of(one), 0)
    return {
      dry_run: true as const,
      matched: stuck.length,
      unreadable,
      waiting: total(({ waiting }) => (waiting ? 1 : 0)),
      items: total(({ items }) => items),
      failed: total(({ failed }) => failed),
      deliveries: shown,
      next_cursor: stuck.length === limit ? (stuck.at(-1)?.position ?? null) : null,
    }
  }

  return [
    route({
      method: 'post',
      path: '/v1/deliveries/{id}/replay',
      tag,
      platform: true,
      summary: 'Apply a delivery again',
      description:
        'What it did the first time it does not do twice; what failed or was parked gets another chance. With `dry_run` nothing is changed, and the answer says what would be appended.',
      access: 'deliveries:write',
      params: z.object({ id: z.string().min(1).max(100) }),
      body: z.strictObject({ dry_run: z.boolean().default(false) }),
      bodyOptional: true,
      responses: {
        200: { description: 'What it holds, and how much of it could not be applied', schema: tried.extend({ dry_run: z.boolean(), ...events }) },
      },
      problems: ['delivery_unreadable'],
      async handle({ params: { id }, body: { dry_run: dryRun }, context }) {
        const outcome = await replay({ deliveryId: id, dryRun }, context)
        if ('missing' in outcome) throw problem('not_found')
        if ('unreadable' in outcome) throw problem('delivery_unreadable', `It cannot be replayed: ${outcome.unreadable}.`)
        return ok({ dry_run: dryRun, ...renderTried(id, outcome, dryRun) }, { position: outcome.position })
      },
    }),
    route({
      method: 'post',
      path: '/v1/deliveries/replay',
      tag,
      platform: true,
      summary: 'Apply again what is parked or failed',
      description: `Begins a replay that goes on by itself, oldest delivery first: \`GET /v1/replays/{id}\` tells how far it is. With \`dry_run\` nothing is changed and the answer says what would be appended, for at most ${mostTried} deliveries; \`next_cursor\` goes on where this ended.`,
      access: 'deliveries:write',
      body: z.strictObject({
        filter: filter.default({}),
        dry_run: z.boolean().default(false),
        rate_per_second: z.int().min(1).max(500).default(usualRate),
        limit: z.int().min(1).max(mostTried).default(20).meta({ description: 'Of a dry run' }),
        cursor: z.string().max(20).optional().meta({ description: 'Of a dry run' }),
      }),
      bodyOptional: true,
      responses: {
        200: {
          description: 'A dry run: how many were found, what they hold, what would be appended',
          schema: z.object({
            dry_run: z.literal(true),
            matched: counts.matched,
            unreadable: counts.unreadable,
            waiting: counts.waiting,
            items: counts.items,
            failed: counts.failed,
            deliveries: z.array(tried.extend(events)),
            next_cursor: z.string().nullable(),
          }),
        },
        202: { description: 'The replay has begun', schema: replaySchema },
      },
      reads: ['deliveries'],
      async handle({ body, context, tenantId }) {
        const wish = filterOf(body.filter)
        if (body.dry_run) {
          const after = body.cursor === undefined ? start : parsePosition(body.cursor)
          if (after === undefined || after >= '09')
            throw problem('invalid_request', { errors: [{ path: 'body.cursor', code: 'invalid_cursor', message: 'is not a cursor of this list' }] })
          return ok(await rehearse(wish, { limit: body.limit, after }, context))
        }
        const { replayId, position } = await replays.request({ filter: wish, rate: body.rate_per_second }, context)
        const begun = await replays.get(tenantId, replayId)
        if (begun === undefined) throw new Error('a replay that was asked for is in the log')
        return { status: 202, body: renderReplay(begun), position, location: `/v1/replays/${replayId}` }
      },
    }),
    route({
      method: 'get',
      path: '/v1/replays/{id}',
      tag,
      platform: true,
      summary: 'How far a replay is',
      access: 'deliveries:read',
      params: idParams,
      responses: { 200: { description: 'The replay', schema: replaySchema } },
      async handle({ tenantId, params }) {
        const found = await replays.get(tenantId, params.id)
        if (found === undefined) throw problem('not_found')
        return ok(renderReplay(found))
      },
    }),
    route({
      method: 'post',
      path: '/v1/replays/{id}/cancel',
      tag,
      platform: true,
      summary: 'Stop a replay; what it did stays done',
      access: 'deliveries:write',
      params: idParams,
      responses: { 200: { description: 'The replay', schema: replaySchema } },
      async handle({ tenantId, params, context }) {
        const { position } = settled(await replays.cancel(params.id, context))
        const found = await replays.get(tenantId, params.id)
        if (found === undefined) throw problem('not_found')
        return ok(renderReplay(found), { position })
      },
    }),
  ]
}
