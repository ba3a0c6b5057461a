import { z } from 'zod'
import type { DeleteTemplate } from '../../commands/templates/delete-template.ts'
import type { EditTemplate } from '../../commands/templates/edit-template.ts'
import type { SubmitTemplate } from '../../commands/templates/submit-template.ts'
import type { SyncTemplates } from '../../commands/templates/sync-templates.ts'
import { templateDefinition } from '../../domain/template/definition.ts'
import type { TenantLogs } from '../../domain/kernel/event-store.ts'
import { templates } from '../../projections/templates/projection.ts'
import { getTemplate, listTemplates, type TemplateView } from '../../projections/templates/queries.ts'
import { created, noContent, ok } from '../http/call.ts'
import { idParams } from '../http/fields.ts'
import { flag, listBody, pageOf, paging } from '../http/paging.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import { momentProblems, type ReaderAt } from '../past/lists.ts'
import { asOf } from '../past/moment.ts'
import { shown } from '../past/shown.ts'
import { defaultRoutes, type DefaultRoutesDeps } from './default-routes.ts'
import { previewRoute } from './preview-route.ts'
import { renderTemplate } from './render.ts'
import { newTemplate, syncedSchema, templatePatch, templateSchema } from './schema.ts'
import { codeOf, done } from './settle.ts'
import { templateAfter, templateReads } from './view.ts'

export type TemplateRoutesDeps = DefaultRoutesDeps & {
  readonly logOf: TenantLogs
  readonly readerAt: ReaderAt
  readonly submitTemplate: SubmitTemplate
  readonly editTemplate: EditTemplate
  readonly deleteTemplate: DeleteTemplate
  readonly syncTemplates: SyncTemplates
}

const tag = 'Templates'
const asking = ['credentials_refused', 'provider_unreachable', 'template_refused', 'channel_not_connected'] as const
const short = z.string().min(1).max(512).optional()

export function templateRoutes(deps: TemplateRoutesDeps): readonly Route[] {
  return [...defaultRoutes(deps), ...readingRoutes(deps), ...changingRoutes(deps), previewRoute(deps)]
}

function readingRoutes({ queries, logOf, readerAt, directory }: TemplateRoutesDeps): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/v1/templates',
      tag,
      access: 'templates:read',
      summary: 'List templates by name',
      query: z.object({
        ...paging,
        status: short,
        language: short,
        category: short,
        name: short.meta({ description: 'A part of the name' }),
        channel: short.meta({ description: 'Those that this channel can send: the templates of its account' }),
        as_of: asOf,
      }),
      reads: templateReads,
      problems: momentProblems,
      responses: { 200: { description: 'Templates', schema: pageOf(templateSchema) } },
      async handle({ tenantId, query: { channel, as_of: moment, ...query } }) {
        const wabaId = channel === undefined ? undefined : directory.channelOf(tenantId, channel)?.wabaId
        if (channel !== undefined && wabaId === undefined) return ok({ data: [], next_cursor: null })
        const filter = { ...query, status: query.status?.toUpperCase(), category: query.category?.toUpperCase(), wabaId }
        const channels = directory.channelsOf(tenantId)
        const { queries: then, position } = await readerAt(tenantId, [templates], moment)
        return ok(
          listBody(await listTemplates(then, tenantId, filter), (row) => renderTemplate(row, channels)),
          { position },
        )
      },
    }),
    route({
      method: 'get',
      path: '/v1/templates/{id}',
      tag,
      access: 'templates:read',
      summary: 'Read a template',
      params: idParams,
      query: z.object({ as_of: asOf }),
      reads: templateReads,
      responses: { 200: { description: 'The template', schema: templateSchema } },
      async handle({ tenantId, params: { id }, query: { as_of: moment } }) {
        const { row, position } = await shown<TemplateView>(logOf(tenantId), { projection: templates, tenantId, id, moment }, () =>
          getTemplate(queries, tenantId, id),
        )
        if (row === undefined) throw problem('not_found')
        return ok(renderTemplate(row, directory.channelsOf(tenantId)), { version: row.version, position })
      },
    }),
  ]
}

function changingRoutes(deps: TemplateRoutesDeps): readonly Route[] {
  return [
    route({
      method: 'post',
      path: '/v1/templates',
      tag,
      access: 'templates:write',
      summary: 'Ask Meta for a template',
      description:
        "Checked against Meta's rules first. Meta reviews it afterwards: the status follows by itself. When Meta did not answer, the same request again is the same wish.",
      body: newTemplate,
      responses: { 201: { description: 'Meta has it', schema: templateSchema } },
      problems: ['template_exists', 'not_found', ...asking],
      async handle({ body, tenantId, context }) {
        const { channel_id: channelId, name, language, category, components, parameter_format: parameterFormat } = body
        const ttl = body.message_send_ttl_seconds
        const definition = templateDefinition.parse({
          category,
          components,
          parameterFormat,
          ...(ttl === undefined ? {} : { messageSendTtlSeconds: ttl }),
        })
        const outcome = done(await deps.submitTemplate({ channelId, name, language, definition: withoutGaps(definition) }, context))
        const template = await templateAfter(deps, tenantId, outcome, context.at)
        return created(template, { position: outcome.position, version: template.version, location: `/v1/templates/${outcome.templateId}` })
      },
    }),
    route({
      method: 'post',
      path: '/v1/templates/sync',
      tag,
      access: 'templates:write',
      summary: "Take over Meta's list, of one channel's account or of all",
      body: z.strictObject({ channel_id: z.uuid().optional() }),
      bodyOptional: true,
      responses: { 200: { description: 'What each account came to', schema: syncedSchema } },
      problems: ['not_found', ...asking],
      async handle({ body, context }) {
        const synced = await deps.syncTemplates({ channelId: body.channel_id }, context)
        if ('missing' in synced) throw problem('not_found')
        const [first] = synced.accounts
        // Nothing could be read at all: the first reason is the answer.
        if (first !== undefined && 'refused' in first && synced.accounts.every((account) => 'refused' in account)) {
          const { refused, ...why } = first
          throw problem(
            refused,
            'detail' in why ? { detail: why.detail, ...('providerError' in why ? { providerError: why.providerError } : {}) } : {},
          )
        }
        const accounts = synced.accounts.map((account) =>
          'refused' in account ? { waba_id: account.wabaId, error: codeOf(account) } : { waba_id: account.wabaId, ...figures(account) },
        )
        return ok({ accounts }, { position: synced.position })
      },
    }),
    route({
      method: 'patch',
      path: '/v1/templates/{id}',
      tag,
      access: 'templates:write',
      summary: 'Give a template new words',
      description: 'Meta replaces all components and reviews it again: an approved one can be edited once in 24 hours and ten times in 30 days.',
      params: idParams,
      body: templatePatch,
      responses: { 200: { description: 'The template, in review', schema: templateSchema } },
      problems: ['template_not_editable', 'template_edit_limit', 'precondition_failed', ...asking],
      async handle({ params, body, tenantId, context, ifVersion }) {
        const { category, components, message_send_ttl_seconds: ttl } = body
        const parsed = components === undefined ? undefined : templateDefinition.parse({ category: category ?? 'UTILITY', components })
        const change = {
          ...(category === undefined ? {} : { category }),
          ...(parsed === undefined ? {} : { components: parsed.components }),
          ...(ttl === undefined ? {} : { messageSendTtlSeconds: ttl }),
        }
        const outcome = done(await deps.editTemplate({ templateId: params.id, change, ifVersion }, context))
        const template = await templateAfter(deps, tenantId, outcome, context.at)
        return ok(template, { position: outcome.position, version: template.version })
      },
    }),
    route({
      method: 'delete',
      path: '/v1/templates/{id}',
      tag,
      access: 'templates:write',
      summary: 'Delete a template at Meta',
      description: 'The name of an approved template cannot be used again for 30 days.',
      params: idParams,
      query: z.object({ all_languages: flag.optional().meta({ description: 'true: all languages of its name' }) }),
      responses: { 204: { description: 'Deleted' } },
      problems: ['precondition_failed', ...asking],
      async handle({ params, query, context, ifVersion }) {
        const wish = { templateId: params.id, allLanguages: query.all_languages === true, ifVersion }
        const { position } = done(await deps.deleteTemplate(wish, context))
        return noContent({ position })
      },
    }),
  ]
}

const figures = ({ templates, changed, removed }: { templates: number; changed: number; removed: number }) => ({ templates, changed, removed })

/** An optional field that was parsed as undefined is none. */
function withoutGaps<T extends { messageSendTtlSeconds?: number | undefined }>({ messageSendTtlSeconds: ttl, ...rest }: T) {
  return { ...rest, ...(ttl === undefined ? {} : { messageSendTtlSeconds: ttl }) }
}
