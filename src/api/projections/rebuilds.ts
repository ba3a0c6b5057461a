import { z } from 'zod'
import type { Rebuild, RebuildAnswer, Rebuilds } from '../../projections/engine/rebuilds.ts'
import { platformTenant } from '../../domain/kernel/stream.ts'
import { accepted, ok } from '../http/call.ts'
import type { Principal } from '../http/principal.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'

const states = ['created', 'copying', 'indexing', 'catching_up', 'verifying', 'ready', 'live', 'aborted', 'failed'] as const

export const rebuildSchema = z
  .object({
    id: z.string(),
    kind: z
      .enum(['rebuild', 'upgrade', 'rollback'])
      .meta({ description: '`upgrade`: this version of Recado brought another version of the read model' }),
    projections: z.array(z.string()),
    tenant_id: z.string().nullable().meta({ description: 'null: all organisations' }),
    state: z.enum(states).meta({ description: '`live` is the end; until then queries show what they showed before' }),
    events_done: z.number().int(),
    events_total: z.number().int().nullable().meta({ description: 'Up to where the log ended when copying began' }),
    events_per_second: z.number().nullable(),
    eta_seconds: z.number().int().nullable(),
    created_at: z.string(),
    started_at: z.string().nullable(),
    ended_at: z.string().nullable(),
    error: z
      .object({ code: z.string(), detail: z.string(), position: z.string().optional(), type: z.string().optional() })
      .nullable()
      .meta({ description: 'Why it failed; `position` and `type` are those of the event that could not be applied' }),
  })
  .meta({ id: 'Rebuild' })

export const renderRebuild = (one: Rebuild): z.infer<typeof rebuildSchema> => ({
  id: one.id,
  kind: one.kind,
  projections: [...one.projections],
  tenant_id: one.tenantId ?? null,
  state: one.state,
  events_done: one.eventsDone,
  events_total: one.eventsTotal ?? null,
  events_per_second: one.eventsPerSecond === undefined ? null : Math.round(one.eventsPerSecond),
  eta_seconds: one.etaSeconds ?? null,
  created_at: one.createdAt.toISOString(),
  started_at: one.startedAt?.toISOString() ?? null,
  ended_at: one.endedAt?.toISOString() ?? null,
  error: one.error ?? null,
})

/** A key sees and rebuilds its own organisation's rows; the operator those of all, or of the one it names. */
const mayTouch = (principal: Principal, tenantId: string | undefined): boolean => principal.kind === 'operator' || principal.tenantId === tenantId

/** Whose rows: those of the organisation that is named, or acted in; undefined for all, which only the operator can mean. */
function organisationOf(principal: Principal, named: string | null | undefined): string | undefined {
  if (named !== undefined && named !== null) return named
  return principal.tenantId === platformTenant ? undefined : principal.tenantId
}

function answered(answer: RebuildAnswer): Rebuild {
  if ('rebuild' in answer) return answer.rebuild
  switch (answer.refused) {
    case 'unknown_projection':
      throw problem('not_found')
    case 'no_previous_generation':
      throw problem('no_previous_generation')
    case 'rebuild_running':
      throw problem('rebuild_running', `The rebuild ${answer.running} is under way.`)
    default:
      throw new Error(answer satisfies never)
  }
}

const id = z.object({ id: z.uuid() })
const named = z.object({ name: z.string().min(1).max(100) })
const answers = { 202: { description: 'It will be done; where it is', schema: z.object({ rebuild_id: z.string() }) } }

export const rebuildRoutes = ({ rebuilds }: { rebuilds: Rebuilds }): readonly Route[] => [
  route({
    method: 'post',
    path: '/v1/projections/{name}/rebuild',
    tag: 'Projections',
    platform: true,
    summary: 'Build a read model anew from the log',
    description:
      "Queries go on showing the present rows until the new ones have caught up, were checked, and take their place at once. With a key: the organisation's rows only.",
    access: 'projections:write',
    params: named,
    body: z.object({
      tenant_id: z.uuid().nullish().meta({ description: 'One organisation only. The operator may leave it out for all of them' }),
      with: z.array(z.string().min(1).max(100)).max(50).optional().meta({ description: 'Further read models, in the same pass over the log' }),
    }),
    bodyOptional: true,
    responses: answers,
    problems: ['not_found', 'rebuild_running'],
    audited: ({ principal, params: { name }, body }) => {
      const tenantId = organisationOf(principal, body.tenant_id)
      return {
        what: 'projection_rebuilt',
        entity: { type: 'projection', id: name },
        ...(tenantId === undefined ? {} : { filter: { tenant_id: tenantId } }),
      }
    },
    async handle({ principal, params: { name }, body, context }) {
      const tenantId = organisationOf(principal, body.tenant_id)
      if (!mayTouch(principal, tenantId)) throw problem('not_found')
      const projections = [...new Set([name, ...(body.with ?? [])])]
      const rebuild = answered(await rebuilds.request({ projections, tenantId, requestedBy: context.actor }))
      return accepted({ rebuild_id: rebuild.id }, { location: `/v1/rebuilds/${rebuild.id}` })
    },
  }),
  route({
    method: 'post',
    path: '/v1/projections/{name}/rollback',
    tag: 'Projections',
    summary: 'Go back to the rows that were shown before the last switch',
    description: 'They are kept for a day, have to catch up with the log, and then change places with the present ones.',
    access: 'operator',
    params: named,
    responses: answers,
    problems: ['not_found', 'rebuild_running', 'no_previous_generation'],
    audited: ({ params: { name } }) => ({ what: 'projection_rebuilt', entity: { type: 'projection', id: name }, filter: { to: 'previous' } }),
    async handle({ params: { name }, context }) {
      const rebuild = answered(await rebuilds.rollBack({ projection: name, requestedBy: context.actor }))
      return accepted({ rebuild_id: rebuild.id }, { location: `/v1/rebuilds/${rebuild.id}` })
    },
  }),
  route({
    method: 'get',
    path: '/v1/rebuilds',
    tag: 'Projections',
    platform: true,
    summary: 'The latest rebuilds',
    access: 'projections:read',
    responses: { 200: { description: 'Newest first, at most 50', schema: z.array(rebuildSchema) } },
    async handle({ principal }) {
      return ok((await rebuilds.list()).filter(({ tenantId }) => mayTouch(principal, tenantId)).map(renderRebuild))
    },
  }),
  route({
    method: 'get',
    path: '/v1/rebuilds/{id}',
    tag: 'Projections',
    platform: true,
    summary: 'How far a rebuild is',
    access: 'projections:read',
    params: id,
    responses: { 200: { description: 'The rebuild', schema: rebuildSchema } },
    async handle({ principal, params }) {
      const rebuild = await rebuilds.get(params.id)
      if (rebuild === undefined || !mayTouch(principal, rebuild.tenantId)) throw problem('not_found')
      return ok(renderRebuild(rebuild))
    },
  }),
  route({
    method: 'post',
    path: '/v1/rebuilds/{id}/abort',
    tag: 'Projections',
    platform: true,
    summary: 'Give a rebuild up',
    description: 'Nothing of it is shown then. One that is over stays what it is.',
    access: 'projections:write',
    params: id,
    responses: { 200: { description: 'The rebuild as it is now', schema: rebuildSchema } },
    audited: ({ params }) => ({ what: 'projection_aborted', entity: { type: 'rebuild', id: params.id } }),
    async handle({ principal, params }) {
      const before = await rebuilds.get(params.id)
      if (before === undefined || !mayTouch(principal, before.tenantId)) throw problem('not_found')
      const rebuild = await rebuilds.abort(params.id)
      return ok(renderRebuild(rebuild ?? before))
    },
  }),
]
