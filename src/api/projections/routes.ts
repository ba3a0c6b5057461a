import { z } from 'zod'
import type { ProjectionProgress } from '../../projections/engine/applied-positions.ts'
import { ok } from '../http/call.ts'
import { route, type Route } from '../http/route.ts'

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
})

/** Positions and rates, nothing of any tenant: whoever may read them sees those of the whole installation. */
export const projectionRoutes = ({ progressOf }: { progressOf: () => Promise<readonly ProjectionProgress[]> }): readonly Route[] => [
  route({
    method: 'get',
    path: '/v1/projections',
    tag: 'Projections',
    summary: 'The read models and how far they are',
    access: 'projections:read',
    responses: { 200: { description: 'All read models', schema: z.array(progress) } },
    handle: async () => ok((await progressOf()).map(render)),
  }),
]
