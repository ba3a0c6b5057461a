import type { CommandContext } from '../../domain/kernel/context.ts'
import { isPresent, template } from '../../domain/template/template.ts'
import type { IfVersion } from '../kernel/execute.ts'
import { step } from '../kernel/step.ts'
import { accountOfWaba } from './account-of-waba.ts'
import type { FetchDeps, FetchTemplate } from './fetch-template.ts'
import { providerRefusal, type TemplateDone, type TemplateRefused } from './refusals.ts'

export type DeleteTemplate = (
  wish: {
    readonly templateId: string
    /** Delete all languages of its name. */
    readonly allLanguages: boolean
    readonly ifVersion: IfVersion
  },
  context: CommandContext,
) => Promise<TemplateDone | TemplateRefused>

export type DeleteDeps = FetchDeps & {
  readonly fetchTemplate: FetchTemplate
  /** The templates of one name that the read model knows. */
  readonly known: (tenantId: string, wabaId: string, name: string) => Promise<readonly string[]>
}

/** Deletes a template at Meta and here. The name of an approved one is blocked by Meta for thirty days. */
export function createDeleteTemplate({ commands, api, directory, clock, fetchTemplate, known }: DeleteDeps): DeleteTemplate {
  return async ({ templateId: id, allLanguages, ifVersion }, context) => {
    let looked = await commands.execute(template, id, { type: 'look' }, step(context, 'look'), { ifVersion })
    if (!('position' in looked)) return 'stale' in looked ? looked : { missing: true }
    if (looked.version === 0 || looked.state.status === 'DELETED') return { missing: true }
    const { wabaId, name, language } = looked.state

    const deleted = async (one: string, at: Date): Promise<TemplateDone | TemplateRefused> => {
      const outcome = await commands.execute(template, one, { type: 'recordDeleted', at }, step(context, `deleted ${one}`))
      if (!('position' in outcome)) return { missing: true }
      return { position: outcome.position, version: outcome.version, templateId: one, template: outcome.state }
    }
    // Meta never had it.
    if (!isPresent(looked.state)) return deleted(id, context.at)
    const account = await accountOfWaba(directory, context.tenantId, wabaId)
    if (account === undefined) return { refused: 'channel_not_connected' }
    if (looked.state.providerId === undefined) {
      const fetched = await fetchTemplate({ wabaId, name, languages: [language] }, step(context, 'fetch'))
      if ('refused' in fetched) return fetched
      looked = await commands.execute(template, id, { type: 'look' }, step(context, 'look again'))
      if (!('position' in looked)) return { missing: true }
      // It was submitted, and Meta does not list it: it never arrived.
      if (looked.state.providerId === undefined) return deleted(id, context.at)
    }

    const at = clock()
    const { providerId } = looked.state
    const answer = await api.remove(account, { name, ...(allLanguages || providerId === undefined ? {} : { providerId }) })
    if (!('ok' in answer)) {
      const refusal = providerRefusal(answer)
      if (refusal.refused !== 'template_refused') return refusal
      // Perhaps it is gone already: somebody deleted it at Meta, or this is the second try.
      await fetchTemplate({ wabaId, name, languages: [language] }, step(context, 'fetch after refusal'))
      const now = await commands.execute(template, id, { type: 'look' }, step(context, 'look after refusal'))
      if (!('position' in now) || now.state.status !== 'DELETED') return refusal
      return { position: now.position, version: now.version, templateId: id, template: now.state }
    }
    for (const sibling of allLanguages ? await known(context.tenantId, wabaId, name) : []) if (sibling !== id) await deleted(sibling, at)
    return deleted(id, at)
  }
}
