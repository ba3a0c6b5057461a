import type { Aggregate } from '../kernel/aggregate.ts'
import { happened, nothing, refuse, type Decision } from '../kernel/decider.ts'
import { derivedId } from '../kernel/ids.ts'
import { sameJson } from './equal.ts'
import type { TemplateDefinition, TemplateEvent } from './events.ts'
import { hear, type HearNews } from './news.ts'
import { evolve, initial, type Template } from './state.ts'

/** What Meta calls it. A template belongs to the account; every tenant that has a number in the account has streams of its own for it. */
export type TemplateKey = { readonly wabaId: string; readonly name: string; readonly language: string }

/** What Meta's list says of a template. */
export type ListedTemplate = TemplateKey & {
  readonly providerId: string
  readonly status: string
  readonly definition: TemplateDefinition
  readonly quality?: string
  readonly rejectedReason?: string
}

/** `at` is the moment before Meta was asked: its answer is at least as new. */
export type TemplateCommand =
  | ({ readonly type: 'submit'; readonly definition: TemplateDefinition; readonly at: Date } & TemplateKey)
  | {
      readonly type: 'recordCreated'
      readonly providerId: string
      readonly status: string
      readonly category?: string | undefined
      readonly at: Date
    }
  | { readonly type: 'recordRefused'; readonly error: { readonly code: string; readonly title: string; readonly detail?: string } }
  | { readonly type: 'sync'; readonly listed: ListedTemplate; readonly at: Date }
  /** Meta's whole list was read and it is not there. */
  | { readonly type: 'recordMissing'; readonly at: Date }
  | { readonly type: 'recordEdited'; readonly definition: TemplateDefinition; readonly at: Date }
  | { readonly type: 'recordDeleted'; readonly at: Date }
  | HearNews
  /** Decides nothing; makes the command handler look whether what it knows is still so. */
  | { readonly type: 'look' }

export type TemplateRefusal = 'template_exists' | 'not_found'

export const templateId = (tenantId: string, { wabaId, name, language }: TemplateKey): string =>
  derivedId('template', tenantId, wabaId, name, language)

/** Whether it is somewhere at Meta, as far as we know. */
export const isPresent = ({ status }: Pick<Template, 'status'>): boolean => status !== 'NONE' && status !== 'FAILED' && status !== 'DELETED'

function decide(command: TemplateCommand, template: Template): Decision<TemplateEvent, TemplateRefusal> {
  switch (command.type) {
    case 'submit':
      return submit(command, template)
    case 'recordCreated':
      return recordCreated(command, template)
    case 'recordRefused':
      return template.status === 'SUBMITTING' ? happened({ type: 'TemplateSubmissionFailed', error: command.error }) : nothing
    case 'sync':
      return sync(command, template)
    case 'recordMissing':
      return recordMissing(command.at, template)
    case 'recordEdited':
      return recordEdited(command, template)
    case 'recordDeleted':
      if (template.status === 'NONE') return refuse('not_found')
      return template.status === 'DELETED' ? nothing : happened({ type: 'TemplateDeleted', at: command.at.toISOString() })
    case 'hear':
      return hear(command, template)
    case 'look':
      return nothing
    default:
      return command satisfies never
  }
}

function submit(command: Extract<TemplateCommand, { type: 'submit' }>, template: Template): Decision<TemplateEvent, TemplateRefusal> {
  const { wabaId, name, language, definition, at } = command
  // Nobody knows whether an earlier try arrived: the same wish again is the same try, so that a client may repeat it until it is answered.
  if (template.status === 'SUBMITTING' && sameJson(template.definition, definition)) return nothing
  if (isPresent(template) && template.status !== 'SUBMITTING')
    return saysTheSame(template.definition, definition) ? nothing : refuse('template_exists')
  return happened({ type: 'TemplateSubmitted', wabaId, name, language, definition, at: at.toISOString() })
}

/** The category is left out: Meta may have chosen another one than was asked for. */
const saysTheSame = (a: TemplateDefinition | undefined, b: TemplateDefinition): boolean =>
  a?.parameterFormat === b.parameterFormat && sameJson(a.components, b.components)

function recordCreated(command: Extract<TemplateCommand, { type: 'recordCreated' }>, template: Template): Decision<TemplateEvent, TemplateRefusal> {
  if (template.status === 'NONE') return refuse('not_found')
  const at = command.at.toISOString()
  // Its review may have been told before the answer to the call was recorded; then only the id is new.
  const status = template.status === 'SUBMITTING' ? command.status : template.status
  const events: TemplateEvent[] = []
  if (status !== template.status || template.providerId !== command.providerId) {
    events.push({ type: 'TemplateStatusChanged', status, providerId: command.providerId, at })
  }
  const { category } = command
  if (category !== undefined && category !== template.definition?.category) events.push({ type: 'TemplateCategoryChanged', category, at })
  return { events }
}

function sync({ listed, at }: Extract<TemplateCommand, { type: 'sync' }>, template: Template): Decision<TemplateEvent, TemplateRefusal> {
  const moment = at.toISOString()
  const isSameOne = template.providerId === undefined || template.providerId === listed.providerId
  if (template.status === 'DELETED' && isSameOne && template.statusAt > moment) return nothing
  const seen = isSameOne ? withNews(listed, template, moment) : listed
  if (isPresent(template) && sameJson(known(template), seen)) return nothing
  return happened({ type: 'TemplateSynced', ...seen, at: moment })
}

/** News that came while Meta was being asked is newer than the answer, and Meta's list lags behind its own webhooks. */
function withNews(listed: ListedTemplate, template: Template, moment: string): ListedTemplate {
  const { rejectedReason, quality, ...rest } = listed
  const keepsStatus = template.statusAt > moment && isPresent(template) && template.status !== 'SUBMITTING'
  const keepsCategory = template.categoryAt > moment && template.definition !== undefined
  const reason = keepsStatus ? template.reason : rejectedReason
  const shownQuality = template.qualityAt > moment ? template.quality : (quality ?? template.quality)
  return {
    ...rest,
    ...(keepsStatus ? { status: template.status } : {}),
    ...(keepsCategory ? { definition: { ...listed.definition, category: template.definition.category } } : {}),
    ...(shownQuality === undefined ? {} : { quality: shownQuality }),
    ...(reason === undefined ? {} : { rejectedReason: reason }),
  }
}

const known = ({ wabaId, name, language, providerId, status, definition, quality, reason }: Template): Partial<ListedTemplate> => ({
  wabaId,
  name,
  language,
  status,
  ...(providerId === undefined ? {} : { providerId }),
  ...(definition === undefined ? {} : { definition }),
  ...(quality === undefined ? {} : { quality }),
  ...(reason === undefined ? {} : { rejectedReason: reason }),
})

/** Meta's list lags: what was asked for or heard of just before it was read need not be on it yet. */
const submissionGraceMs = 60_000
const heardGraceMs = 10 * 60_000

function recordMissing(at: Date, template: Template): Decision<TemplateEvent, TemplateRefusal> {
  if (!isPresent(template)) return nothing
  const { status, statusAt, definition } = template
  const grace = status === 'SUBMITTING' ? submissionGraceMs : definition === undefined ? heardGraceMs : 0
  if (Date.parse(statusAt) + grace >= at.getTime()) return nothing
  if (status !== 'SUBMITTING') return happened({ type: 'TemplateDeleted', at: at.toISOString() })
  return happened({ type: 'TemplateSubmissionFailed', error: { code: 'not_taken', title: 'Meta does not have the template; submit it again' } })
}

function recordEdited(
  { definition, at }: Extract<TemplateCommand, { type: 'recordEdited' }>,
  template: Template,
): Decision<TemplateEvent, TemplateRefusal> {
  if (!isPresent(template)) return refuse('not_found')
  if (sameJson(template.definition, definition) && template.status === 'PENDING') return nothing
  const moment = at.toISOString()
  const status = template.statusAt > moment ? template.status : 'PENDING'
  return happened({ type: 'TemplateEdited', definition, status, at: moment })
}

export const template: Aggregate<TemplateCommand, TemplateEvent, Template, TemplateRefusal> = {
  category: 'template',
  initial,
  evolve,
  decide,
  subject: (id) => `template:${id}`,
}
