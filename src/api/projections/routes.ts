import { z } from 'zod'
import type { IntakeProgress } from '../../commands/processes/intake/progress.ts'
import type { ProjectionProgress } from '../../projections/engine/applied-positions.ts'
import { listParkedEvents, type ParkedEvent } from '../../projections/engine/parked.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { positionOf } from '../../domain/kernel/position.ts'
import { ok } from '../http/call.ts'
import { pageOf, paging } from '../http/paging.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import { listed } from '../messages/listed.ts'

const progress = z
  .object({
    name: z.string(),
    generation: z.number().int(),
    state: z.enum(['live', 'building', 'paused', 'stopped']),
    position: z.string(),
    head: z.string(),
    lag_events: z.number().int().nullable().meta({ description: 'null where the log cannot count' }),
    lag_seconds: z.number().nullable(),
    events_per_second: z.number().nullable(),
    eta_seconds: z.number().nullable(),
    parked: z.number().int().meta({ description: 'Events that could not be applied and wait for a person' }),
    held_by: z.string().nullable().meta({ description: 'The process that writes it at present (host:pid:…); null while nobody does' }),
  })
  .meta({ id: 'ProjectionProgress' })

const render = (one: ProjectionProgress): z.infer<typeof progress> => ({
  name: one.name,
  generation: one.generation,
  state: one.state,
  position: one.position,
  head: one.head,
  lag_events: one.lagEvents,
  lag_seconds: one.lagSeconds,
  events_per_second: one.eventsPerSecond,
  eta_seconds: one.etaSeconds,
  parked: one.parked,
  held_by: one.heldBy,
})

/** The intake among the read models: nothing that a customer did is shown before it has been there. */
const renderIntake = ({ state, position, head, lagEvents, lagSeconds, heldBy }: IntakeProgress): z.infer<typeof progress> => ({
  name: 'intake',
  generation: 1,
  state,
  position,
  head,
  lag_events: lagEvents,
  lag_seconds: lagSeconds,
  events_per_second: null,
  eta_seconds: null,
  parked: 0,
  held_by: heldBy,
})

const parked = z
  .object({
    position: z.string(),
    type: z.string().meta({ description: "The event's type" }),
    row: z.string().meta({ description: 'The id of what it would have changed' }),
    category: z.enum(['failed', 'behind']).meta({ description: '`behind`: it could be applied but for an earlier one of the same row' }),
    error: z.string(),
    parked_at: z.string(),
  })
  .meta({ id: 'ParkedEvent' })

const renderParked = (one: ParkedEvent): z.infer<typeof parked> => ({
  position: positionOf(one.position),
  type: one.type,
  row: one.row,
  category: one.category === 'behind' ? 'behind' : 'failed',
  error: one.error,
  parked_at: one.parkedAt.toISOString(),
})

/** Positions and rates, nothing of any tenant: whoever may read them sees those of the whole installation. */
export const projectionRoutes = ({
  progressOf,
  intake,
  reader,
}: {
  progressOf: () => Promise<readonly ProjectionProgress[]>
  intake: () => Promise<IntakeProgress>
  reader: TenantQueries
}): readonly Route[] => [
  route({
    method: 'get',
    path: '/v1/projections',
    tag: 'Projections',
    summary: 'The intake of deliveries and the read models, and how far they are',
    access: 'projections:read',
    responses: { 200: { description: 'The intake, then all read models', schema: z.array(progress) } },
    // The intake is asked first: what it appends meanwhile, the read models are asked about.
    async handle() {
      const first = renderIntake(await intake())
      return ok([first, ...(await progressOf()).map(render)])
    },
  }),
  route({
    method: 'get',
    path: '/v1/projections/{name}/parked',
    tag: 'Projections',
    platform: true,
    summary: "The organisation's events that a read model could not apply, oldest first",
    access: 'projections:read',
    params: z.object({ name: z.string().min(1).max(100) }),
    query: z.object(paging),
    responses: { 200: { description: 'A page of what waits for a person', schema: pageOf(parked) } },
    async handle({ tenantId, params: { name }, query }) {
      const generation = (await progressOf()).find((one) => one.name === name)?.generation
      if (generation === undefined) throw problem('not_found')
      const page = listParkedEvents(reader, tenantId, { projection: { name, version: generation }, ...query })
      return listed(page, (rows) => rows.map(renderParked))
    },
  }),
]
