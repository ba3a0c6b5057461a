import type { z } from 'zod'
import { checkTemplate } from '../../domain/template/check.ts'
import { componentOf, listOf, variablesOf, type Loose } from '../../domain/template/components.ts'
import type { TemplateDefinition } from '../../domain/template/events.ts'
import { previewTemplate } from '../../domain/template/preview.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { getTemplate, type TemplateView } from '../../projections/templates/queries.ts'
import { ok } from '../http/call.ts'
import { idParams } from '../http/fields.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import { renderPreview } from './render.ts'
import { previewRequest, previewSchema } from './schema.ts'
import { templateReads } from './view.ts'

export function previewRoute({ queries }: { readonly queries: TenantQueries }): Route {
  return route({
    method: 'post',
    path: '/v1/templates/{id}/preview',
    tag: 'Templates',
    access: 'templates:read',
    summary: 'See a template filled in',
    description: 'Changes nothing and asks nobody. What has no value yet stays as its `{{variable}}`; `mistakes` says what is missing.',
    params: idParams,
    body: previewRequest,
    bodyOptional: true,
    reads: templateReads,
    responses: { 200: { description: 'The message as the customer would see it', schema: previewSchema } },
    problems: ['template_not_read'],
    async handle({ tenantId, params, body }) {
      const row = await getTemplate(queries, tenantId, params.id)
      if (row === undefined) throw problem('not_found')
      const definition = definitionOf(row)
      if (definition === undefined) throw problem('template_not_read')
      const components = body.components ?? fromShort(definition, body.parameters)
      const mistakes = checkTemplate(definition, { components }) ?? []
      const preview = renderPreview(previewTemplate(definition, components))
      return ok({ ...preview, sendable: row.status === 'APPROVED' && mistakes.length === 0, mistakes: [...mistakes] })
    },
  })
}

function definitionOf({ category, parameterFormat, components }: TemplateView): TemplateDefinition | undefined {
  if (components === null) return undefined
  return {
    category: category ?? 'UNKNOWN',
    parameterFormat: parameterFormat === 'named' ? 'named' : 'positional',
    components: components as TemplateDefinition['components'],
  }
}

/** Texts by place fill the body; texts by name (or number) fill header and body. */
function fromShort(definition: TemplateDefinition, parameters: z.infer<typeof previewRequest>['parameters']): readonly Loose[] {
  if (parameters === undefined) return []
  const isNamed = definition.parameterFormat === 'named'
  const text = (name: string, value: string): Loose => ({ type: 'text', text: value, ...(isNamed ? { parameter_name: name } : {}) })
  const defined = listOf(definition.components)
  const variables = (type: string): readonly string[] => variablesOf(componentOf(defined, type)?.['text']).toSorted((a, b) => Number(a) - Number(b))
  if (Array.isArray(parameters)) {
    const names = variables('BODY')
    return [{ type: 'body', parameters: parameters.map((value, index) => text(names[index] ?? '', value)) }]
  }
  return ['HEADER', 'BODY'].flatMap((type): Loose[] => {
    const given = variables(type).flatMap((name) => {
      const value = Object.hasOwn(parameters, name) ? parameters[name] : undefined
      return value === undefined ? [] : [text(name, value)]
    })
    return given.length === 0 ? [] : [{ type: type.toLowerCase(), parameters: given }]
  })
}
