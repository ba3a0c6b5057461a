import { GraphError } from '../wire/graph-error.ts'
import { templateId } from '../wire/ids.ts'
import type { Sim } from '../sim.ts'
import type { Template, Waba } from '../world/world.ts'
import { checksFor } from './check/checks.ts'
import { checkComponents } from './check/template-definition.ts'
import { page, selectFields } from './fields.ts'
import { readFields, sendJson, type Fields, type GraphRequest } from './http.ts'

const check = checksFor(100)
const categories = ['AUTHENTICATION', 'MARKETING', 'UTILITY'] as const
const unverifiedLimit = 250
const hour = 3_600_000
const day = 24 * hour
const creationsPerHour = 100
/** By category, as Meta documents them: seconds from and to. -1 is 30 days, where it is allowed. */
const lifetimes = { AUTHENTICATION: [30, 900], UTILITY: [30, 43_200], MARKETING: [43_200, 2_592_000] } as const
const usual = ['name', 'parameter_format', 'components', 'language', 'status', 'category', 'id']

const templateNode = (template: Template): Fields => ({
  id: template.id,
  name: template.name,
  language: template.language,
  status: template.status,
  category: template.category,
  parameter_format: template.parameter_format,
  components: template.components,
  quality_score: { score: template.quality, date: Math.floor(Date.now() / 1000) },
  rejected_reason: template.rejected_reason ?? 'NONE',
  message_send_ttl_seconds: template.message_send_ttl_seconds,
  previous_category: undefined,
  correct_category: undefined,
})

export function listTemplates(waba: Waba, request: GraphRequest): void {
  const { query } = request
  const wanted = (template: Template): boolean =>
    ['name', 'status', 'language', 'category'].every((key) => {
      const value = query.get(key)
      return (
        value === null || (key === 'name' ? template.name.includes(value) : String(templateNode(template)[key]).toUpperCase() === value.toUpperCase())
      )
    })
  const show = (template: Template): Fields => selectFields(templateNode(template), 'WhatsAppMessageTemplate', query.get('fields'), usual)
  sendJson(
    request.res,
    200,
    page([...waba.templates.values()].filter(wanted), query, show, `${request.publicUrl}/v26.0/${waba.id}/message_templates`),
  )
}

export function getTemplate(template: Template, request: GraphRequest): void {
  sendJson(request.res, 200, selectFields(templateNode(template), 'WhatsAppMessageTemplate', request.query.get('fields'), usual))
}

export async function createTemplate(sim: Sim, waba: Waba, request: GraphRequest): Promise<void> {
  const body = await readFields(request)
  const name = check.text(body['name'], 'name', 512)
  if (!/^[a-z0-9_]+$/.test(name))
    throw new GraphError(100, { message: '(#100) Message template name can only have lowercase letters, numbers and underscores.' })
  const language = check.text(body['language'], 'language', 10)
  const category = check.oneOf(body['category'], 'category', categories)
  const format =
    body['parameter_format'] === undefined
      ? 'POSITIONAL'
      : check.oneOf(check.text(body['parameter_format'], 'parameter_format', 20).toUpperCase(), 'parameter_format', ['POSITIONAL', 'NAMED'])
  const components = checkComponents(body['components'], format)
  const ttl = lifetime(body['message_send_ttl_seconds'], category)
  if ([...waba.templates.values()].some((template) => template.name === name && template.language === language)) {
    throw new GraphError(2388024, { message: '(#100) Invalid parameter', details: 'There is already a template with this name and language.' })
  }
  if (waba.templates.size >= unverifiedLimit) throw new GraphError(2388019, { message: '(#2388019) Message template limit exceeded' })
  if (sim.switches.template_limits) takeCreation(waba, name)
  const template: Template = {
    id: templateId(),
    waba_id: waba.id,
    name,
    language,
    category,
    status: 'PENDING',
    parameter_format: format,
    components,
    quality: 'UNKNOWN',
    ...(ttl !== undefined && { message_send_ttl_seconds: ttl }),
  }
  waba.templates.set(template.id, template)
  sim.world.templates.set(template.id, template)
  review(sim, template)
  sendJson(request.res, 200, { id: template.id, status: template.status, category: template.category })
}

function lifetime(value: unknown, category: keyof typeof lifetimes): number | undefined {
  if (value === undefined) return undefined
  const seconds = Number(value)
  const [least, most] = lifetimes[category]
  if (seconds === -1 && category !== 'MARKETING') return seconds
  if (!Number.isInteger(seconds) || seconds < least || seconds > most)
    throw new GraphError(100, { details: `message_send_ttl_seconds must be ${least} to ${most} for ${category}` })
  return seconds
}

/** A hundred creations an hour; the name of a deleted approved template is blocked for thirty days. */
function takeCreation(waba: Waba, name: string): void {
  const now = Date.now()
  if ((waba.blocked_names.get(name) ?? 0) > now)
    throw new GraphError(100, {
      details: 'New content cannot be added while the template of this name is being deleted. Try again in 30 days or use another name.',
    })
  waba.template_creations = waba.template_creations.filter((at) => now - at < hour)
  if (waba.template_creations.length >= creationsPerHour) throw new GraphError(80007, { details: 'Too many templates were created in the last hour' })
  waba.template_creations.push(now)
}

function takeEdit(template: Template): void {
  const now = Date.now()
  const edits = (template.edits ?? []).filter((at) => now - at < 30 * day)
  if (edits.some((at) => now - at < day) || edits.length >= 10)
    throw new GraphError(100, { details: 'The content of an approved template can be edited once in 24 hours and ten times in 30 days' })
  template.edits = [...edits, now]
}

const editable = ['APPROVED', 'REJECTED', 'PAUSED']

export async function editTemplate(sim: Sim, template: Template, request: GraphRequest): Promise<void> {
  const body = await readFields(request)
  if (!editable.includes(template.status)) throw new GraphError(100, { details: `A template that is ${template.status} cannot be edited` })
  const category = body['category'] === undefined ? template.category : check.oneOf(body['category'], 'category', categories)
  if (template.status === 'APPROVED' && category !== template.category)
    throw new GraphError(100, { details: 'The category of an approved template cannot be changed' })
  const components = body['components'] === undefined ? undefined : checkComponents(body['components'], template.parameter_format)
  const ttl = lifetime(body['message_send_ttl_seconds'], category as keyof typeof lifetimes)
  if (template.status === 'APPROVED' && sim.switches.template_limits) takeEdit(template)
  template.category = category
  if (components !== undefined) template.components = components
  if (ttl !== undefined) template.message_send_ttl_seconds = ttl
  template.status = 'PENDING'
  review(sim, template)
  sendJson(request.res, 200, { success: true })
}

/** `?name=` deletes all languages; with `hsm_id` only that one. */
export function deleteTemplates(sim: Sim, waba: Waba, request: GraphRequest): void {
  const name = request.query.get('name')
  const id = request.query.get('hsm_id')
  if (name === null) throw new GraphError(100, { message: '(#100) The parameter name is required.' })
  const doomed = [...waba.templates.values()].filter((template) => template.name === name && (id === null || template.id === id))
  if (doomed.length === 0) throw new GraphError(100, { details: 'No such template', status: 404 })
  for (const template of doomed) {
    waba.templates.delete(template.id)
    sim.world.templates.delete(template.id)
    if (template.status === 'APPROVED') waba.blocked_names.set(name, Date.now() + 30 * day)
    template.status = 'DELETED'
    announce(sim, template, 'DELETED')
  }
  sendJson(request.res, 200, { success: true })
}

/** What Meta's review comes to after a while, as the switches say. */
function review(sim: Sim, template: Template): void {
  const { template_review: outcome, template_review_ms: delay } = sim.switches
  const round = (template.review ?? 0) + 1
  template.review = round
  if (outcome === 'hold') return
  sim.scheduler.after(delay, () => {
    if (template.status === 'PENDING' && template.review === round)
      changeTemplate(sim, template, outcome === 'approve' ? 'APPROVED' : 'REJECTED', outcome === 'approve' ? 'NONE' : 'INVALID_FORMAT')
  })
}

/** Moves a template to another status and tells the apps. */
export function changeTemplate(sim: Sim, template: Template, status: string, reason?: string): void {
  template.status = status
  template.rejected_reason = status === 'REJECTED' ? (reason ?? 'INVALID_FORMAT') : undefined
  announce(sim, template, status, reason)
}

/** Template ids are JSON numbers here, and the language has a hyphen, unlike everywhere else. */
function announce(sim: Sim, template: Template, event: string, reason?: string): void {
  sim.outbox.push({
    waba_id: template.waba_id,
    field: 'message_template_status_update',
    value: {
      event,
      message_template_id: Number(template.id),
      message_template_name: template.name,
      message_template_language: template.language.replace('_', '-'),
      message_template_category: template.category,
      reason: reason ?? (event === 'APPROVED' ? 'NONE' : null),
    },
  })
}
