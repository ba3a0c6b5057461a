import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import type { CommandContext } from '../../domain/kernel/context.ts'
import { checkTemplate, type ParameterMistake } from '../../domain/template/check.ts'
import type { Template } from '../../domain/template/state.ts'
import { isPresent, template, templateId } from '../../domain/template/template.ts'
import { step } from '../kernel/step.ts'
import type { FetchDeps, FetchTemplate } from './fetch-template.ts'

/** Why a template message cannot be sent. `mistakes` lead into Meta's template object. */
export type TemplateNotSendable =
  | { readonly refused: 'template_not_found' | 'template_not_approved'; readonly detail: string }
  | { readonly refused: 'template_parameters'; readonly mistakes: readonly ParameterMistake[] }

/** Undefined when it may be sent, as far as is known. `wabaId` is the account of the channel it goes through. */
export type CheckTemplate = (
  message: { readonly wabaId: string; readonly object: unknown },
  context: CommandContext,
) => Promise<TemplateNotSendable | undefined>

const named = z.looseObject({ name: z.string(), language: z.looseObject({ code: z.string() }) })

/** How long Meta's "there is none" or its silence is believed: a caller that repeats a wrong name must not use up the account's hourly calls. */
const believedMs = 60_000

/**
 * Checks a template message before it is queued, so that a mistake is the answer to the request and not a failed message.
 *
 * One that is not known here (never synced) is read from Meta then and there, once. When Meta cannot be asked, the message passes: the management API has
 * limits and outages of its own, sending must not depend on it, and Meta checks every message anyway. A refusal, on the other hand, is never given from
 * memory alone: another process may have heard of an approval that this one has not.
 */
export function createCheckTemplate({
  commands,
  fetchTemplate,
  clock,
}: Pick<FetchDeps, 'commands' | 'clock'> & { readonly fetchTemplate: FetchTemplate }): CheckTemplate {
  /** What came of asking Meta lately: `read`, or that it could not be asked. */
  const asked = new LRUCache<string, { readonly read: boolean }>({
    max: 10_000,
    ttl: believedMs,
    ttlResolution: 0,
    perf: { now: () => clock().getTime() },
  })

  /** True when what is known here is what Meta said within the last minute. */
  async function readLately(id: string, key: { wabaId: string; name: string; language: string }, context: CommandContext): Promise<boolean> {
    const before = asked.get(id)
    if (before !== undefined) return before.read
    const { wabaId, name, language } = key
    const fetched = await fetchTemplate({ wabaId, name, languages: [language] }, step(context, `fetch ${id}`))
    const read = 'read' in fetched
    asked.set(id, { read })
    return read
  }

  return async ({ wabaId, object }, context) => {
    const parsed = named.safeParse(object)
    // Its form is checked before; what has no name is refused by Meta, too.
    if (!parsed.success) return undefined
    const { name } = parsed.data
    const language = parsed.data.language.code
    const key = { wabaId, name, language }
    const id = templateId(context.tenantId, key)
    const { state: remembered } = await commands.load(template, context.tenantId, id)
    if (remembered.definition !== undefined && notSendable(remembered, object) === undefined) return undefined

    const look = async (): Promise<Template> => {
      const outcome = await commands.execute(template, id, { type: 'look' }, step(context, `look ${id}`))
      return 'state' in outcome ? outcome.state : template.initial
    }
    const present = await look()
    const isKnown = isPresent(present) && present.definition !== undefined
    if (isKnown) return notSendable(present, object)
    const isRead = await readLately(id, key, context)
    const state = await look()
    if (isPresent(state)) return notSendable(state, object)
    // Deleted or refused here is known without Meta; one never heard of is only when Meta could be asked.
    if (!isRead && state.status === 'NONE') return undefined
    return { refused: 'template_not_found', detail: `The account has no template ${name} in ${language}.` }
  }
}

function notSendable(state: Template, object: unknown): TemplateNotSendable | undefined {
  const { status, definition, name, language } = state
  if (status !== 'APPROVED') {
    return { refused: 'template_not_approved', detail: `The template ${name} in ${language} is ${status}; only APPROVED ones can be sent.` }
  }
  const mistakes = definition === undefined ? undefined : checkTemplate(definition, object)
  return mistakes === undefined ? undefined : { refused: 'template_parameters', mistakes }
}
