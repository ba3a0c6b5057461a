import type { CommandContext } from '../../domain/kernel/context.ts'
import { definitionMistakes } from '../../domain/template/definition.ts'
import { mayEdit } from '../../domain/template/edit.ts'
import { sameJson } from '../../domain/template/equal.ts'
import type { TemplateDefinition } from '../../domain/template/events.ts'
import { isPresent, template } from '../../domain/template/template.ts'
import type { IfVersion } from '../kernel/execute.ts'
import { step } from '../kernel/step.ts'
import { accountOfWaba } from './account-of-waba.ts'
import type { FetchDeps } from './fetch-template.ts'
import type { TemplateSamples } from './samples.ts'
import { providerRefusal, type TemplateDone, type TemplateRefused } from './refusals.ts'

export type TemplateEdit = {
  readonly templateId: string
  readonly change: Partial<Pick<TemplateDefinition, 'category' | 'components' | 'messageSendTtlSeconds'>>
  readonly ifVersion: IfVersion
}
export type EditTemplate = (wish: TemplateEdit, context: CommandContext) => Promise<TemplateDone | TemplateRefused>

/** Gives a template new words; Meta replaces all of its components and reviews it again. An edit that changes nothing is not sent: Meta counts them. */
export function createEditTemplate({ commands, api, directory, samples, clock }: FetchDeps & { readonly samples: TemplateSamples }): EditTemplate {
  return async ({ templateId: id, change, ifVersion }, context) => {
    // Looks for what other processes wrote, so that the version and the status that are judged are the present ones.
    const looked = await commands.execute(template, id, { type: 'look' }, step(context, 'look'), { ifVersion })
    if (!('position' in looked)) return 'stale' in looked ? looked : { missing: true }
    const { state, version, position } = looked
    if (version === 0 || !isPresent(state)) return { missing: true }
    const { definition, providerId } = state
    if (definition === undefined || providerId === undefined) {
      return { refused: 'template_not_editable', detail: 'Meta has not told of its words yet. Sync it first.' }
    }
    const next: TemplateDefinition = { ...definition, ...change }
    if (sameJson(next, definition)) return { position, version, templateId: id, template: state }
    const mistakes = definitionMistakes(next)
    if (mistakes.length > 0) return { mistakes }
    const unfit = await samples.mistakes(context.tenantId, next)
    if (unfit.length > 0) return { mistakes: unfit }
    const refusal = mayEdit(state, next, context.at)
    if (refusal !== undefined) return refusal
    const account = await accountOfWaba(directory, context.tenantId, state.wabaId)
    if (account === undefined) return { refused: 'channel_not_connected' }

    const at = clock()
    const newCategory = next.category === definition.category ? {} : { category: next.category }
    const whole = await samples.handedOver(account, context.tenantId, next)
    const answer = 'ok' in whole ? await api.edit(account, providerId, { definition: whole.ok, ...newCategory }) : whole
    if (!('ok' in answer)) return providerRefusal(answer)
    const edited = await commands.execute(template, id, { type: 'recordEdited', definition: next, at }, step(context, 'edited'))
    if (!('position' in edited)) return { missing: true }
    return { position: edited.position, version: edited.version, templateId: id, template: edited.state }
  }
}
