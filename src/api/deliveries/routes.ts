import { z } from 'zod'
import { openDelivery } from '../../commands/deliveries/open-delivery.ts'
import type { ReplayDelivery } from '../../commands/deliveries/replay-delivery.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { TenantLogs } from '../../domain/kernel/event-store.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import type { Vault } from '../../domain/kernel/vault.ts'
import { BadCursor } from '../../projections/engine/page.ts'
import { deliveryStates, getDelivery, listDeliveries, purgedAt, type DeliveryView } from '../../projections/deliveries/queries.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { ok } from '../http/call.ts'
import { pageOf, paging } from '../http/paging.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import { listed } from '../messages/listed.ts'
import { mostReplayed, replayableStates, replayMany } from './replay-many.ts'

const delivery = z
  .object({
    id: z.string(),
    state: z.enum(deliveryStates),
    provider: z.string(),
    app: z.string().meta({ description: '`default`, or the channel whose own Meta app signed it' }),
    sha256: z.string(),
    bytes: z.number().int(),
    part_of: z.string().optional().meta({ description: "The delivery that this is one organisation's part of" }),
    parked: z.object({ reason: z.string(), detail: z.string(), phone_number_ids: z.array(z.string()), waba_ids: z.array(z.string()) }).optional(),
    failures: z.array(z.object({ path: z.string(), error: z.string() })),
    replays: z.number().int(),
    received_at: z.string(),
    updated_at: z.string(),
    version: z.number().int(),
  })
  .meta({ id: 'Delivery' })

const whole = delivery
  .extend({
    raw: z.string().nullable().meta({ description: 'The body as it was received; null when it is no longer kept or was erased' }),
    raw_missing: z.string().optional().meta({ description: 'Why there is no body' }),
    purged_at: z.string().optional().meta({ description: "When it was removed, as the organisation's `retention` setting asks" }),
  })
  .meta({ id: 'DeliveryWithBody' })

const params = z.object({ id: z.string().min(1).max(100) })

/** Raw inbound deliveries: what came, what became of it, and doing it again. */
export function deliveryRoutes(deps: { reader: TenantQueries; logOf: TenantLogs; vault: Vault; replay: ReplayDelivery }): readonly Route[] {
  const { reader, logOf, vault, replay } = deps
  return [
    route({
      method: 'get',
      path: '/v1/deliveries',
      tag: 'Deliveries',
      platform: true,
      summary: 'Inbound deliveries, newest first',
      access: 'deliveries:read',
      query: z.object({ ...paging, state: z.enum(deliveryStates).optional() }),
      responses: { 200: { description: 'A page of deliveries', schema: pageOf(delivery) } },
      reads: ['deliveries'],
      handle: async ({ tenantId, query }) => listed(listDeliveries(reader, tenantId, query), (rows) => rows.map(render)),
    }),
    route({
      method: 'get',
      path: '/v1/deliveries/{id}',
      tag: 'Deliveries',
      platform: true,
      summary: 'One delivery with its raw body',
      access: 'deliveries:read',
      params,
      responses: { 200: { description: 'The delivery', schema: whole } },
      reads: ['deliveries'],
      audited: ({ params: { id } }) => ({ what: 'delivery_read', entity: { type: 'delivery', id } }),
      async handle({ tenantId, params: { id } }) {
        const row = await getDelivery(reader, tenantId, id)
        if (row === undefined) throw problem('not_found')
        const received = await firstEvent(logOf, tenantId, id)
        const opened = received === undefined ? { unreadable: 'it is not in the log' } : await openDelivery(vault, received)
        if ('raw' in opened) return ok({ ...render(row), raw: Buffer.from(opened.raw).toString('utf8') }, { version: row.version })
        const purged = received?.attachment === undefined ? await purgedAt(reader, tenantId, row) : undefined
        const why = { raw: null, raw_missing: opened.unreadable, ...(purged === undefined ? {} : { purged_at: purged.toISOString() }) }
        return ok({ ...render(row), ...why }, { version: row.version })
      },
    }),
    route({
      method: 'post',
      path: '/v1/deliveries/{id}/replay',
      tag: 'Deliveries',
      platform: true,
      summary: 'Apply a delivery again',
      description:
        'What it did the first time it does not do twice; what failed or was parked gets another chance. With `dry_run` nothing is changed.',
      access: 'deliveries:write',
      params,
      body: z.strictObject({ dry_run: z.boolean().default(false) }),
      bodyOptional: true,
      responses: {
        200: {
          description: 'What it holds, and how much of it could not be applied',
          schema: z.object({
            id: z.string(),
            dry_run: z.boolean(),
            items: z.number().int(),
            failed: z.number().int(),
            waiting: z.boolean().meta({ description: 'Its number is still not connected' }),
          }),
        },
      },
      problems: ['delivery_unreadable'],
      async handle({ params: { id }, body: { dry_run: dryRun }, context }) {
        const outcome = await replay({ deliveryId: id, dryRun }, context)
        if ('missing' in outcome) throw problem('not_found')
        if ('unreadable' in outcome) throw problem('delivery_unreadable', `It cannot be replayed: ${outcome.unreadable}.`)
        const { items, failed, waiting, position } = outcome
        return ok({ id, dry_run: dryRun, items, failed, waiting }, { position })
      },
    }),
    route({
      method: 'post',
      path: '/v1/deliveries/replay',
      tag: 'Deliveries',
      platform: true,
      summary: 'Apply again what is parked or failed',
      description: `At most ${mostReplayed} deliveries, newest first; \`next_cursor\` goes on where this ended. With \`dry_run\` nothing is changed.`,
      access: 'deliveries:write',
      body: z.strictObject({
        filter: z.strictObject({ state: z.enum(replayableStates).optional().meta({ description: 'Both when absent' }) }).default({}),
        dry_run: z.boolean().default(false),
        limit: z.int().min(1).max(mostReplayed).default(mostReplayed),
        cursor: z.string().max(500).optional(),
      }),
      bodyOptional: true,
      responses: {
        200: {
          description: 'How many were found and applied, what they hold, and how much of it could not be applied',
          schema: z.object({
            dry_run: z.boolean(),
            matched: z.number().int(),
            replayed: z.number().int(),
            unreadable: z.number().int().meta({ description: 'Deliveries whose body is no longer kept, or was erased' }),
            items: z.number().int(),
            failed: z.number().int().meta({ description: 'Items that could not be applied' }),
            waiting: z.number().int().meta({ description: 'Deliveries whose number is still not connected' }),
            next_cursor: z.string().nullable(),
          }),
        },
      },
      async handle({ body: { filter, dry_run: dryRun, limit, cursor }, context }) {
        const { next, position, ...counts } = await replayMany({ reader, replay }, { ...filter, dryRun, limit, cursor }, context).catch(
          (error: unknown) => {
            throw error instanceof BadCursor
              ? problem('invalid_request', { errors: [{ path: 'body.cursor', code: 'invalid_cursor', message: 'is not a cursor of this list' }] })
              : error
          },
        )
        return ok({ dry_run: dryRun, ...counts, next_cursor: next ?? null }, { position })
      },
    }),
  ]
}

async function firstEvent(logOf: TenantLogs, tenantId: string, id: string): Promise<RecordedEvent | undefined> {
  for await (const event of logOf(tenantId).readStream(streamRef('delivery', tenantId, id), { upTo: 1, attachments: true })) return event
  return undefined
}

const render = (row: DeliveryView): z.infer<typeof delivery> => ({
  id: row.id,
  state: row.state,
  provider: row.provider,
  app: row.app,
  sha256: row.sha256,
  bytes: row.bytes,
  ...(row.partOf === null ? {} : { part_of: row.partOf }),
  ...(row.parkedReason === null
    ? {}
    : {
        parked: {
          reason: row.parkedReason,
          detail: row.parkedDetail ?? '',
          phone_number_ids: [...row.phoneNumberIds],
          waba_ids: [...row.wabaIds],
        },
      }),
  failures: row.failures.map(({ path, error }) => ({ path, error })),
  replays: row.replays,
  received_at: row.receivedAt.toISOString(),
  updated_at: row.updatedAt.toISOString(),
  version: row.version,
})
