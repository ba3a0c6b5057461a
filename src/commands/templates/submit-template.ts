import type { CommandContext } from '../../domain/kernel/context.ts'
import { definitionMistakes } from '../../domain/template/definition.ts'
import type { TemplateDefinition } from '../../domain/template/events.ts'
import { isPresent, template, templateId, type TemplateCommand } from '../../domain/template/template.ts'
import { step } from '../kernel/step.ts'
import { accountOfWaba } from './account-of-waba.ts'
import type { FetchDeps, FetchTemplate } from './fetch-template.ts'
import type { TemplateSamples } from './samples.ts'
import { providerRefusal, type TemplateDone, type TemplateRefused } from './refusals.ts'

export type NewTemplate = {
  readonly channelId: string
  readonly name: string
  readonly language: string
  readonly definition: TemplateDefinition
}
export type SubmitTemplate = (wish: NewTemplate, context: CommandContext) => Promise<TemplateDone | TemplateRefused>

/** Meta has one of that name and language. */
const exists = 2_388_024

/**
 * Asks Meta for a template. The wish is on record before the call. When no answer comes, the template stays SUBMITTING: the same wish again asks again,
 * and "there is one already" is then the answer to the first try. Whoever does not ask again is told by the keeper (see processes/templates).
 */
export function createSubmitTemplate(deps: FetchDeps & { readonly fetchTemplate: FetchTemplate; readonly samples: TemplateSamples }): SubmitTemplate {
  const { commands, api, directory, fetchTemplate, samples, clock } = deps
  return async ({ channelId, name, language, definition }, context) => {
    const mistakes = definitionMistakes(definition)
    if (mistakes.length > 0) return { mistakes }
    const unfit = await samples.mistakes(context.tenantId, definition)
    if (unfit.length > 0) return { mistakes: unfit }
    const channel = directory.channelOf(context.tenantId, channelId)
    if (channel === undefined) return { missing: true }
    const { wabaId } = channel
    const account = await accountOfWaba(directory, context.tenantId, wabaId)
    if (account === undefined) return { refused: 'channel_not_connected' }

    const key = { wabaId, name, language }
    const id = templateId(context.tenantId, key)
    const run = async (command: TemplateCommand, what: string): Promise<TemplateDone | undefined> => {
      const outcome = await commands.execute(template, id, command, step(context, what))
      return 'position' in outcome ? { position: outcome.position, version: outcome.version, templateId: id, template: outcome.state } : undefined
    }
    const isRepeat = (await commands.load(template, context.tenantId, id)).state.status === 'SUBMITTING'
    const asked = await run({ type: 'submit', ...key, definition, at: context.at }, `submit ${id}`)
    if (asked === undefined) return { refused: 'template_exists' }
    // It is at Meta already, with these very words.
    if (asked.template.status !== 'SUBMITTING') return asked

    const at = clock()
    const whole = await samples.handedOver(account, context.tenantId, definition)
    const answer = 'ok' in whole ? await api.create(account, { name, language, definition: whole.ok }) : whole
    if ('ok' in answer) return (await run({ type: 'recordCreated', ...answer.ok, at }, `created ${id}`)) ?? { refused: 'template_exists' }
    if ('error' in answer && answer.error.code === exists) {
      await fetchTemplate({ wabaId, name, languages: [] }, step(context, `fetch ${id}`))
      const found = await run({ type: 'look' }, `look ${id}`)
      const isOurs = isRepeat && found !== undefined && isPresent(found.template) && found.template.status !== 'SUBMITTING'
      return isOurs ? found : { refused: 'template_exists' }
    }
    const refusal = providerRefusal(answer)
    // Without an answer nobody knows; and what Meta will take tomorrow is not refused for good.
    if (refusal.refused === 'provider_unreachable') return refusal
    const code = 'error' in answer ? `provider_${answer.error.code}` : 'provider_0'
    await run({ type: 'recordRefused', error: { code, title: 'Meta did not take the template', detail: refusal.detail } }, `refused ${id}`)
    return refusal
  }
}
