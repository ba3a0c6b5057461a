import { z } from 'zod'
import type { AdoptDefault } from '../../commands/templates/adopt-default.ts'
import { componentOf, looseComponents, textOf } from '../../domain/template/components.ts'
import { defaultDefinition, defaultLanguages, defaultTemplates } from '../../domain/template/defaults.ts'
import type { TemplateDefinition } from '../../domain/template/events.ts'
import { ok } from '../http/call.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import { adoptedSchema, adoption, defaultSchema } from './schema.ts'
import { codeOf } from './settle.ts'
import { templateAfter, type TemplateViewDeps } from './view.ts'

export type DefaultRoutesDeps = TemplateViewDeps & { readonly adoptDefault: AdoptDefault }

const bodyText = (definition: TemplateDefinition): string => textOf(componentOf(looseComponents(definition), 'BODY')?.['text'])

/** Templates that come with Recado. Registered before `/v1/templates/{id}`, of which `defaults` would be one. */
export function defaultRoutes(deps: DefaultRoutesDeps): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/v1/templates/defaults',
      tag: 'Templates',
      access: 'templates:read',
      summary: 'List the templates that come with Recado',
      responses: { 200: { description: 'All of them', schema: z.object({ data: z.array(defaultSchema) }) } },
      handle() {
        const data = Object.entries(defaultTemplates).map(([name, { category, about }]) => ({
          name,
          category,
          about,
          languages: defaultLanguages.flatMap((language) => {
            const definition = defaultDefinition(name, language)
            return definition === undefined ? [] : [{ language, components: definition.components, preview: bodyText(definition) }]
          }),
        }))
        return ok({ data })
      },
    }),
    route({
      method: 'post',
      path: '/v1/templates/defaults/{name}/adopt',
      tag: 'Templates',
      access: 'templates:write',
      summary: 'Submit one of them for a channel, in all its languages or in those named',
      description:
        'Each language is a template of its own: one that exists already, or that Meta refuses, does not keep the others from being submitted.',
      params: z.object({ name: z.string().max(512) }),
      body: adoption,
      responses: { 200: { description: 'What became of each language', schema: adoptedSchema } },
      async handle({ params, body, tenantId, context }) {
        const languages = body.languages ?? defaultLanguages
        const done = await deps.adoptDefault({ name: params.name, channelId: body.channel_id, languages }, context)
        if ('missing' in done) throw problem('not_found')
        if (done.adopted.every(({ outcome }) => 'missing' in outcome)) throw problem('not_found')
        const data = await Promise.all(
          done.adopted.map(async ({ language, outcome }) =>
            'position' in outcome
              ? { language, template: await templateAfter(deps, tenantId, outcome, context.at) }
              : { language, error: codeOf(outcome) },
          ),
        )
        const positions = done.adopted.flatMap(({ outcome }) => ('position' in outcome ? [outcome.position] : []))
        return ok({ data }, { position: positions.toSorted().at(-1) })
      },
    }),
  ]
}
