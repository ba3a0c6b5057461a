import type { TemplateDone, TemplateRefused } from '../../commands/templates/refusals.ts'
import type { DefinitionMistake } from '../../domain/template/definition.ts'
import { problem, type FieldError } from '../http/problem.ts'
import { settled } from '../http/settled.ts'

const names: Readonly<Record<string, string>> = { messageSendTtlSeconds: 'message_send_ttl_seconds', parameterFormat: 'parameter_format' }

const fieldError = ({ path, message }: DefinitionMistake): FieldError => ({
  path: ['body', ...path.map((part) => names[part] ?? String(part))].join('.'),
  code: 'template_rule',
  message,
})

/** The good part of an outcome; mistakes of a definition become 422 with their paths, refusals their problems. */
export function done(outcome: TemplateDone | TemplateRefused): TemplateDone {
  if ('mistakes' in outcome) throw problem('invalid_request', { errors: outcome.mistakes.map(fieldError) })
  return settled<Exclude<typeof outcome, { mistakes: unknown }>>(outcome)
}

/** The same as a value, where several templates are dealt with in one request. */
export function codeOf(outcome: TemplateRefused): { code: string; detail?: string } {
  if ('mistakes' in outcome) return { code: 'invalid_request' }
  if ('missing' in outcome) return { code: 'not_found' }
  if ('stale' in outcome) return { code: 'precondition_failed' }
  return { code: outcome.refused, ...(outcome.detail === undefined ? {} : { detail: outcome.detail }) }
}
