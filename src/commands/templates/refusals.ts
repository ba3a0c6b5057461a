import { explain } from '../../domain/conversation/provider-errors.ts'
import type { Position } from '../../domain/kernel/position.ts'
import type { DefinitionMistake } from '../../domain/template/definition.ts'
import type { Template } from '../../domain/template/state.ts'
import type { CallResult, ProviderError } from '../ports/cloud-api.ts'

export type TemplateDone = { readonly position: Position; readonly version: number; readonly templateId: string; readonly template: Template }

/** Why Meta was not, or not successfully, asked. `detail` is for a person. */
export type ProviderRefusal = {
  readonly refused: 'provider_unreachable' | 'credentials_refused' | 'template_refused'
  readonly detail: string
  readonly providerError?: ProviderError
}
export type TemplateRefused =
  | ProviderRefusal
  | { readonly refused: 'channel_not_connected' | 'template_exists' | 'template_not_editable' | 'template_edit_limit'; readonly detail?: string }
  | { readonly mistakes: readonly DefinitionMistake[] }
  | { readonly missing: true }
  | { readonly stale: { readonly version: number } }

/** What a failed call means: come back later, mend the credentials, or mend the template. */
export function providerRefusal(result: Exclude<CallResult<unknown>, { ok: unknown }>): ProviderRefusal {
  if ('unreachable' in result) {
    return { refused: 'provider_unreachable', detail: 'Meta did not answer. It may have taken the request all the same; repeat it in a moment.' }
  }
  const { error } = result
  const { class: kind, title, explanation } = explain(error.code, error.status)
  const said = error.details ?? error.message
  if (kind === 'credentials') return { refused: 'credentials_refused', detail: `${title}. ${explanation}`, providerError: error }
  if (kind === 'retry' || kind === 'backoff') {
    return { refused: 'provider_unreachable', detail: `${title}. ${explanation}`, providerError: error }
  }
  return { refused: 'template_refused', detail: said === '' ? `${title}. ${explanation}` : `Meta says: ${said}`, providerError: error }
}
