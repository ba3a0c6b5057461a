import { z } from 'zod'
import { parsePosition, type Position } from '../../domain/kernel/position.ts'
import { ok } from '../http/call.ts'
import { line } from '../http/fields.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import { settled } from '../http/settled.ts'
import type { DealWithParked } from './deal-with-parked.ts'

const tag = 'Projections'
const params = z.object({ name: z.string().min(1).max(100), position: z.string().min(1).max(20) })

const outcome = z
  .object({
    row: z.string(),
    applied: z.number().int().meta({ description: 'Events of the row that were applied now' }),
    waiting: z.number().int().meta({ description: 'Events of the row that are still parked' }),
    error: z.string().optional().meta({ description: 'Why the first of those cannot be applied' }),
  })
  .meta({ id: 'ParkedOutcome' })

const at = (params: { name: string; position: string }): { projection: string; position: Position } => {
  const position = parsePosition(params.position)
  // Nothing is parked beyond what PostgreSQL can count to.
  if (position === undefined || position >= '09') throw problem('not_found')
  return { projection: params.name, position }
}

type Done = Extract<Awaited<ReturnType<DealWithParked['retry']>>, { applied: number }>

const render = ({ row, applied, waiting, error }: Done): z.infer<typeof outcome> => ({
  row,
  applied,
  waiting,
  ...(error === undefined ? {} : { error }),
})

/** What a person does about an event that a read model could not apply. */
export const parkedRoutes = (parked: DealWithParked): readonly Route[] => [
  route({
    method: 'post',
    path: '/v1/projections/{name}/parked/{position}/retry',
    tag,
    platform: true,
    summary: 'Try the parked events of a row again',
    description: 'All parked events of the row that this one belongs to, in order, up to the first one that still fails.',
    access: 'projections:write',
    params,
    responses: { 200: { description: 'How far it went', schema: outcome } },
    async handle({ params: place, context }) {
      const done = settled(await parked.retry(at(place), context))
      return ok(render(done), { position: done.position })
    },
  }),
  route({
    method: 'post',
    path: '/v1/projections/{name}/parked/{position}/discard',
    tag,
    platform: true,
    summary: 'Leave an event out of a read model for good',
    description:
      'The row goes on with what waited behind it. Every later rebuild of this read model leaves the event out too. The log keeps it, and keeps who discarded it and why.',
    access: 'projections:write',
    params,
    body: z.strictObject({ reason: line(500) }),
    responses: { 200: { description: 'How far the row went on', schema: outcome } },
    problems: ['parked_behind'],
    async handle({ params: place, body, context }) {
      const done = settled(await parked.discard({ ...at(place), reason: body.reason }, context))
      return ok(render(done), { position: done.position })
    },
  }),
]
