import type { Clock } from '../../domain/kernel/clock.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import { derivedId } from '../../domain/kernel/ids.ts'
import { template, templateId, type ListedTemplate } from '../../domain/template/template.ts'
import type { Commands } from '../kernel/execute.ts'
import type { CallResult, CloudApiAccount } from '../ports/cloud-api.ts'
import type { TemplatesApi } from '../ports/templates-api.ts'
import { accountOfWaba, type TemplateDirectory } from './account-of-waba.ts'
import { providerRefusal, type ProviderRefusal } from './refusals.ts'

/** `read`: what Meta has is known here now, whatever it is. */
export type Fetched = { readonly read: true } | ProviderRefusal | { readonly refused: 'channel_not_connected' }

/** Reads one template, in all its languages, from Meta's list. `languages`: those that were expected; one that is not listed is gone. */
export type FetchTemplate = (
  wish: { readonly wabaId: string; readonly name: string; readonly languages: readonly string[] },
  context: CommandContext,
) => Promise<Fetched>

export type FetchDeps = { readonly commands: Commands; readonly api: TemplatesApi; readonly directory: TemplateDirectory; readonly clock: Clock }

export function createFetchTemplate(deps: FetchDeps): FetchTemplate {
  return async ({ wabaId, name, languages }, context) => {
    const account = await accountOfWaba(deps.directory, context.tenantId, wabaId)
    if (account === undefined) return { refused: 'channel_not_connected' }
    const at = deps.clock()
    const found = await readList(deps.api, account, name)
    if (!('ok' in found)) return providerRefusal(found)
    const { templates, whole } = found.ok
    for (const one of templates) await takeOver(deps.commands, one, at, context)
    const listed = new Set(templates.map(({ language }) => language))
    for (const language of whole ? languages : []) {
      if (!listed.has(language)) await end(deps.commands, templateId(context.tenantId, { wabaId, name, language }), at, context)
    }
    return { read: true }
  }
}

/** Ten thousand templates: more than any account may have. */
const maxPages = 100

/** Meta's list to its end. */
export async function readList(
  api: TemplatesApi,
  account: CloudApiAccount,
  name?: string,
): Promise<CallResult<{ readonly templates: readonly ListedTemplate[]; readonly whole: boolean }>> {
  const templates: ListedTemplate[] = []
  let whole = true
  let after: string | undefined
  for (let page = 0; page < maxPages; page++) {
    const result = await api.list(account, { ...(name === undefined ? {} : { name }), after })
    if (!('ok' in result)) return result
    templates.push(...result.ok.templates)
    whole &&= result.ok.whole
    after = result.ok.after
    if (after === undefined) return { ok: { templates, whole } }
  }
  return { ok: { templates, whole: false } }
}

/** One reading of Meta's is one command: repeated by the same command it is the same, at another moment it is another. */
const reading = (context: CommandContext, id: string, at: Date): CommandContext => ({
  ...context,
  commandId: derivedId('read template', context.commandId, id, at.toISOString()),
  causationId: context.commandId,
})

/** True when it was news. */
export async function takeOver(commands: Commands, listed: ListedTemplate, at: Date, context: CommandContext): Promise<boolean> {
  const id = templateId(context.tenantId, listed)
  const outcome = await commands.execute(template, id, { type: 'sync', listed, at }, reading(context, id, at))
  return 'events' in outcome && outcome.events.length > 0
}

/** Meta does not have it any more. True when that was news. */
export async function end(commands: Commands, id: string, at: Date, context: CommandContext): Promise<boolean> {
  const outcome = await commands.execute(template, id, { type: 'recordMissing', at }, reading(context, id, at))
  return 'events' in outcome && outcome.events.length > 0
}
