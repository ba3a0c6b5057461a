import { z } from 'zod'
import type { CommandContext } from '../../domain/kernel/context.ts'
import { isLoose, listOf, textOf, type Loose } from '../../domain/template/components.ts'
import type { HearNews, NewTexts, TemplateNews } from '../../domain/template/news.ts'
import { template, templateId } from '../../domain/template/template.ts'
import type { AlertWish, RaiseAlert, SettleAlert } from '../alerts/alerts.ts'
import type { Commands } from '../kernel/execute.ts'
import { step } from '../kernel/step.ts'
import type { NewsItem } from '../processes/intake/meta/items.ts'

/** Ids come as JSON numbers; one beyond 2^53 lost its last digits on the way, and then only name and language tell which template it is. */
const providerId = z
  .union([z.string().regex(/^\d{1,40}$/), z.int().nonnegative()])
  .transform(String)
  .optional()
  .catch(undefined)
const text = z.string().max(500).optional().catch(undefined)

const value = z.looseObject({
  message_template_id: providerId,
  message_template_name: z.string().min(1).max(512),
  message_template_language: z
    .string()
    .min(2)
    .max(20)
    // The status webhook writes `en-US` where everything else at Meta writes `en_US`.
    .transform((code) => code.replace('-', '_')),
  message_template_category: text,
  event: text,
  reason: text,
  disable_info: z.unknown().optional(),
  other_info: z.unknown().optional(),
  rejection_info: z.unknown().optional(),
  new_quality_score: text,
  previous_category: text,
  new_category: text,
  correct_category: text,
  category: text,
  category_update_timestamp: z.union([z.string(), z.number()]).optional().catch(undefined),
  message_template_element: text,
  message_template_title: text,
  message_template_footer: text,
  message_template_buttons: z.array(z.unknown()).optional().catch(undefined),
})
type Value = z.infer<typeof value>

type Trouble = Pick<AlertWish, 'code' | 'severity' | 'title' | 'detail'>
type Heard = {
  readonly news?: TemplateNews
  /** Raised unless something newer is known of the template. */
  readonly raise?: Trouble
  /** Troubles that this ends. */
  readonly settle?: readonly AlertWish['code'][]
}

/**
 * News of templates: the template's own stream first (of one that was never seen, too), then what a person should know. Each may be repeated.
 * Nothing is asked of Meta here, or an outage of it would stop everybody's intake: the keeper reads what is only heard of.
 */
export function createHearTemplateNews({
  commands,
  raiseAlert,
  settleAlert,
}: {
  readonly commands: Commands
  readonly raiseAlert: RaiseAlert
  readonly settleAlert: SettleAlert
}): (received: { readonly item: NewsItem }, context: CommandContext) => Promise<void> {
  return async ({ item }, context) => {
    const read = value.safeParse(item.value)
    // Without a name it is about no template; the delivery keeps it.
    if (!read.success) return
    const { message_template_name: name, message_template_language: language, message_template_category: category } = read.data
    const key = { wabaId: item.wabaId, name, language }
    const id = templateId(context.tenantId, key)
    const heard = meaningOf(item.field, read.data)
    if (heard === undefined) return
    const { news, raise, settle = [] } = heard
    if (news !== undefined) {
      const command: HearNews = { type: 'hear', ...key, providerId: read.data.message_template_id, category, at: item.at, news }
      await commands.execute(template, id, command, step(context, `hear ${id}`))
    }
    const entity = { type: 'template', id }
    const keyOf = (code: string): string => `${code}:${id}`
    for (const code of settle) await settleAlert({ key: keyOf(code), reason: 'Meta says that it is over', ahead: true }, context)
    if (raise === undefined) return
    const title = `${raise.title}: ${name} (${language})`
    await raiseAlert({ ...raise, title, key: keyOf(raise.code), entity, again: true }, context)
  }
}

function meaningOf(field: string, said: Value): Heard | undefined {
  switch (field) {
    case 'message_template_status_update':
      return ofStatus(said)
    case 'message_template_quality_update': {
      const quality = said.new_quality_score
      if (quality === undefined) return undefined
      return { news: { kind: 'quality', quality }, ...(quality === 'GREEN' ? { settle: ['template_flagged'] } : {}) }
    }
    case 'message_template_components_update':
      return { news: { kind: 'components', texts: textsOf(said) } }
    case 'template_category_update':
      return ofCategory(said)
    case 'template_correct_category_detection': {
      const { category, correct_category: correct } = said
      const detail = `Meta takes it for ${correct ?? 'another category'}, and it was sent as ${category ?? 'something else'}.`
      return { raise: { code: 'template_category', severity: 'warning', title: 'A template is used in a wrong category', detail } }
    }
    default:
      return undefined
  }
}

const troubles = ['template_rejected', 'template_paused', 'template_disabled'] as const

function ofStatus(said: Value): Heard | undefined {
  const { event } = said
  if (event === undefined) return undefined
  const reason = said.reason === 'NONE' || said.reason === '' ? undefined : said.reason
  const detail = detailOf(said)
  const changed = (status: string): TemplateNews => ({ kind: 'status', status, reason, detail })
  const because = detail ?? (reason === undefined ? undefined : `Meta's reason: ${reason}.`)
  switch (event) {
    // Both lead back to what it was before anything happened to it.
    case 'REINSTATED':
    case 'UNARCHIVED':
    case 'APPROVED':
      return { news: changed('APPROVED'), settle: [...troubles, 'template_flagged'] }
    case 'REJECTED':
      return { news: changed(event), raise: { code: 'template_rejected', severity: 'warning', title: 'Meta rejected a template', detail: because } }
    case 'PAUSED':
      return { news: changed(event), raise: { code: 'template_paused', severity: 'warning', title: 'Meta paused a template', detail: because } }
    case 'DISABLED':
      return { news: changed(event), raise: { code: 'template_disabled', severity: 'critical', title: 'Meta disabled a template', detail: because } }
    // Warnings: the template is what it was and may be sent on.
    case 'FLAGGED':
    case 'LOCKED':
      return { raise: { code: 'template_flagged', severity: 'warning', title: `Meta has ${event.toLowerCase()} a template`, detail: because } }
    default:
      return { news: changed(event) }
  }
}

/** What Meta says to a person, from whichever block it put it in. */
function detailOf({ disable_info: disabled, other_info: other, rejection_info: rejection }: Value): string | undefined {
  const parts = [
    isLoose(rejection) ? [rejection['reason'], rejection['recommendation']] : [],
    isLoose(other) ? [other['title'], other['description']] : [],
    isLoose(disabled) ? [disabled['disable_date']] : [],
  ].flat()
  const said = parts.map((part) => (typeof part === 'number' ? String(part) : textOf(part).trim())).filter((part) => part !== '')
  return said.length === 0 ? undefined : said.join('. ').slice(0, 1_000)
}

function ofCategory({
  new_category: next,
  previous_category: previous,
  correct_category: correct,
  category_update_timestamp: when,
}: Value): Heard | undefined {
  if (correct !== undefined && previous === undefined) {
    const from = momentOf(when)
    const detail = `It is ${next ?? 'in another category'} now and becomes ${correct}${from === undefined ? '' : ` on ${from.slice(0, 10)}`}.`
    const raise: Trouble = { code: 'template_category', severity: 'warning', title: 'Meta will change the category of a template', detail }
    return from === undefined ? { raise } : { news: { kind: 'category', category: correct, from }, raise }
  }
  if (next === undefined) return undefined
  const detail = `It was ${previous ?? 'something else'} and is ${next} now: what it costs may have changed.`
  return {
    news: { kind: 'category', category: next },
    raise: { code: 'template_category', severity: 'warning', title: 'Meta changed the category of a template', detail },
  }
}

function momentOf(when: string | number | undefined): string | undefined {
  if (when === undefined || !/^\d{1,12}$/.test(String(when))) return undefined
  const at = new Date(Number(when) * 1_000)
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString()
}

const textsOf = (said: Value): NewTexts => ({
  body: said.message_template_element,
  header: said.message_template_title,
  footer: said.message_template_footer,
  buttons: said.message_template_buttons === undefined ? undefined : listOf(said.message_template_buttons).map(buttonOf),
})

function buttonOf(told: Loose): Loose {
  const fields = { type: 'type', text: 'text', url: 'url', phone_number: 'phone_number' } as const
  return Object.fromEntries(
    Object.entries(fields).flatMap(([ours, name]) => {
      const given = told[`message_template_button_${name}`]
      return typeof given === 'string' && given !== '' ? [[ours, given]] : []
    }),
  )
}
