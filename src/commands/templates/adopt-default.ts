import type { CommandContext } from '../../domain/kernel/context.ts'
import { defaultDefinition, type DefaultLanguage } from '../../domain/template/defaults.ts'
import { step } from '../kernel/step.ts'
import type { TemplateDone, TemplateRefused } from './refusals.ts'
import type { SubmitTemplate } from './submit-template.ts'

/** What became of each language: one that is there already is no obstacle for the others. */
export type Adopted = { readonly language: DefaultLanguage; readonly outcome: TemplateDone | TemplateRefused }
export type AdoptDefault = (
  wish: { readonly name: string; readonly channelId: string; readonly languages: readonly DefaultLanguage[] },
  context: CommandContext,
) => Promise<{ readonly adopted: readonly Adopted[] } | { readonly missing: true }>

/** Submits a default template in the languages asked for, one after the other. */
export function createAdoptDefault({ submitTemplate }: { readonly submitTemplate: SubmitTemplate }): AdoptDefault {
  return async ({ name, channelId, languages }, context) => {
    const adopted: Adopted[] = []
    for (const language of languages) {
      const definition = defaultDefinition(name, language)
      if (definition === undefined) return { missing: true }
      const outcome = await submitTemplate({ channelId, name, language, definition }, step(context, `adopt ${name} ${language}`))
      adopted.push({ language, outcome })
    }
    return { adopted }
  }
}
