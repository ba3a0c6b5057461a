import { happened, nothing, type Decision } from '../kernel/decider.ts'
import { componentOf, listOf, looseComponents, textOf, upper, type Loose } from './components.ts'
import { sameJson } from './equal.ts'
import type { TemplateDefinition, TemplateEvent } from './events.ts'
import { endOf, evolve, type Template } from './state.ts'

/** One webhook about a template. `providerId` is missing when its number was too big for a JSON number to be exact. */
export type HearNews = {
  readonly type: 'hear'
  readonly wabaId: string
  readonly name: string
  readonly language: string
  readonly providerId: string | undefined
  readonly category: string | undefined
  readonly at: string
  readonly news: TemplateNews
}

export type TemplateNews =
  | { readonly kind: 'status'; readonly status: string; readonly reason?: string | undefined; readonly detail?: string | undefined }
  | { readonly kind: 'quality'; readonly quality: string }
  | { readonly kind: 'category'; readonly category: string; readonly from?: string | undefined }
  | { readonly kind: 'components'; readonly texts: NewTexts }

/** The words that Meta changed by itself, where it says which. */
export type NewTexts = {
  readonly body?: string | undefined
  readonly header?: string | undefined
  readonly footer?: string | undefined
  readonly buttons?: readonly Loose[] | undefined
}

/**
 * Whatever Meta tells becomes visible at once, also of a template that we never saw: that one is heard of first, and its words are fetched later.
 * News of another id under the same name and language is that of a template made anew, unless it is older than what we know.
 */
export function hear(command: HearNews, template: Template): Decision<TemplateEvent, never> {
  const { wabaId, name, language, providerId, category, at, news } = command
  const isAnother = providerId !== undefined && template.providerId !== undefined && template.providerId !== providerId
  const ends = news.kind === 'status' && (news.status === 'DELETED' || news.status === 'PENDING_DELETION')
  const late = endOf(at) < template.statusAt
  if (template.status === 'NONE' || isAnother || (template.status === 'DELETED' && !ends)) {
    // The end of a former one, and what is told late of a deleted one, concern nothing that is here.
    if (ends || (template.status !== 'NONE' && late) || (template.status === 'DELETED' && !isAnother && providerId !== undefined)) return nothing
    const heard: TemplateEvent = {
      type: 'TemplateHeardOf',
      wabaId,
      name,
      language,
      ...(providerId === undefined ? {} : { providerId }),
      ...(category === undefined ? {} : { category }),
      at,
    }
    return happened(heard, ...changes(command, evolve(template, heard)))
  }
  return happened(...changes(command, template))
}

function changes({ providerId, at, news }: HearNews, template: Template): readonly TemplateEvent[] {
  switch (news.kind) {
    case 'status':
      return statusChanged(news, { providerId, at }, template)
    case 'quality':
      if (template.quality === news.quality || endOf(at) < template.qualityAt) return []
      return [{ type: 'TemplateQualityChanged', quality: news.quality, at }]
    case 'category':
      return categoryChanged(news, at, template)
    case 'components': {
      const { definition, providerId: id } = template
      // Without its words there is nothing to change: they are fetched whole. And what is older than the last fetch is in it.
      if (definition === undefined || id === undefined || endOf(at) < template.categoryAt) return []
      const changed = withTexts(definition, news.texts)
      if (sameJson(changed, definition)) return []
      const { wabaId, name, language, status, quality, reason } = template
      return [
        {
          type: 'TemplateSynced',
          wabaId,
          name,
          language,
          providerId: id,
          status,
          definition: changed,
          ...(quality === undefined ? {} : { quality }),
          ...(reason === undefined ? {} : { rejectedReason: reason }),
          at,
        },
      ]
    }
    default:
      return news satisfies never
  }
}

function statusChanged(
  news: Extract<TemplateNews, { kind: 'status' }>,
  { providerId, at }: { providerId: string | undefined; at: string },
  template: Template,
): readonly TemplateEvent[] {
  if (template.status === 'DELETED' || endOf(at) < template.statusAt) return []
  if (news.status === 'DELETED') return [{ type: 'TemplateDeleted', at }]
  const { status, reason, detail } = news
  const known = template.status === status && template.reason === reason && (providerId === undefined || template.providerId === providerId)
  if (known) return []
  return [
    {
      type: 'TemplateStatusChanged',
      status,
      ...(providerId === undefined ? {} : { providerId }),
      ...(reason === undefined ? {} : { reason }),
      ...(detail === undefined ? {} : { detail }),
      at,
    },
  ]
}

function categoryChanged(
  { category, from }: Extract<TemplateNews, { kind: 'category' }>,
  at: string,
  { definition, upcoming, categoryAt }: Template,
): readonly TemplateEvent[] {
  if (endOf(at) < categoryAt) return []
  const known = from === undefined ? definition?.category === category && upcoming === undefined : sameJson(upcoming, { category, from })
  return known ? [] : [{ type: 'TemplateCategoryChanged', category, ...(from === undefined ? {} : { from }), at }]
}

function withTexts(definition: TemplateDefinition, { body, header, footer, buttons }: NewTexts): TemplateDefinition {
  const texts: Readonly<Record<string, string | undefined>> = { BODY: body, HEADER: header, FOOTER: footer }
  const components = looseComponents(definition).map((component): Loose => {
    const type = upper(component['type'])
    const text = texts[type]
    if (text !== undefined) return { ...component, text }
    return type === 'BUTTONS' && buttons !== undefined ? { ...component, buttons: mergedButtons(listOf(component['buttons']), buttons) } : component
  })
  const added = footer !== undefined && componentOf(components, 'FOOTER') === undefined ? [{ type: 'FOOTER', text: footer }] : []
  return { ...definition, components: [...components, ...added] as TemplateDefinition['components'] }
}

/** Meta names type, text, url and phone of each button; the rest (a flow's id, an example) stays while the type does. */
const mergedButtons = (before: readonly Loose[], told: readonly Loose[]): readonly Loose[] =>
  told.map((button, index) => {
    const old = before[index]
    const kept = old !== undefined && upper(old['type']) === upper(button['type']) ? old : {}
    return { ...kept, ...button, type: upper(button['type']) || textOf(kept['type']) }
  })
