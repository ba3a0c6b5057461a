import { z } from 'zod'
import { ok } from '../http/call.ts'
import { route, type Route } from '../http/route.ts'

const progress = z
  .object({
    name: z.string(),
    generation: z.string(),
    state: z.string(),
    position: z.string(),
    head: z.string(),
    lag_events: z.number().int().nullable(),
    lag_seconds: z.number().nullable(),
    events_per_second: z.number(),
    eta_seconds: z.number().nullable(),
    parked: z.number().int(),
  })
  .meta({ id: 'ProjectionProgress' })

/** How far each read model is behind the log. */
export type ProjectionProgress = z.infer<typeof progress>

/** Positions and rates only, nothing of any tenant: whoever may read them sees those of the whole installation. */
export const projectionRoutes = ({ progressOf }: { progressOf: () => Promise<readonly ProjectionProgress[]> }): readonly Route[] => [
  route({
    method: 'get',
    path: '/v1/projections',
    tag: 'Projections',
    summary: 'The read models and how far they are',
    access: 'projections:read',
    responses: { 200: { description: 'All read models', schema: z.array(progress) } },
    handle: async () => ok(await progressOf()),
  }),
]
