import { z } from 'zod'
import { openDelivery } from '../../commands/deliveries/open-delivery.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { TenantLogs } from '../../domain/kernel/event-store.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { deliveryStates, getDelivery, listDeliveries, purgedAt, type DeliveryView } from '../../projections/deliveries/queries.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { ok } from '../http/call.ts'
import { pageOf, paging } from '../http/paging.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import { listed } from '../messages/listed.ts'

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
    failures: z.array(z.object({ path: z.string(), error: z.string(), item: z.string().optional(), phone_number_id: z.string().optional() })),
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

/** Raw inbound deliveries: what came and what became of it. Doing it again: `replay-routes.ts`. */
export function deliveryRoutes(deps: { reader: TenantQueries; logOf: TenantLogs }): readonly Route[] {
  const { reader, logOf } = deps
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
        const opened = received === undefined ? { unreadable: 'it is not in the log' } : openDelivery(received)
        if ('raw' in opened) return ok({ ...render(row), raw: Buffer.from(opened.raw).toString('utf8') }, { version: row.version })
        const purged = received?.attachment === undefined ? await purgedAt(reader, tenantId, row) : undefined
        const why = { raw: null, raw_missing: opened.unreadable, ...(purged === undefined ? {} : { purged_at: purged.toISOString() }) }
        return ok({ ...render(row), ...why }, { version: row.version })
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
  failures: row.failures.map(({ path, error, item, phoneNumberId }) => ({
    path,
    error,
    ...(item === undefined ? {} : { item }),
    ...(phoneNumberId === undefined ? {} : { phone_number_id: phoneNumberId }),
  })),
  replays: row.replays,
  received_at: row.receivedAt.toISOString(),
  updated_at: row.updatedAt.toISOString(),
  version: row.version,
})
