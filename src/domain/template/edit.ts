import type { TemplateDefinition } from './events.ts'
import type { Template } from './state.ts'

const day = 24 * 3_600_000
const editable = ['APPROVED', 'REJECTED', 'PAUSED']

export type EditRefusal = { readonly refused: 'template_not_editable' | 'template_edit_limit'; readonly detail: string }

/**
 * Whether Meta takes an edit now: only of what it has approved, rejected or paused; of an approved one once in 24 hours and ten times in 30 days, and not its
 * category. Edits made elsewhere are not counted here: then it is Meta that refuses.
 */
export function mayEdit({ status, definition, edits }: Template, next: TemplateDefinition, at: Date): EditRefusal | undefined {
  if (!editable.includes(status) || definition === undefined) {
    return { refused: 'template_not_editable', detail: `Meta takes edits of templates that are ${editable.join(', ')}; this one is ${status}.` }
  }
  if (status !== 'APPROVED') return undefined
  if (next.category !== definition.category) {
    return { refused: 'template_not_editable', detail: 'The category of an approved template cannot be changed.' }
  }
  const ages = edits.map((edit) => at.getTime() - Date.parse(edit))
  const isTooMany = ages.some((age) => age < day) || ages.filter((age) => age < 30 * day).length >= 10
  const detail = 'Meta takes one edit of an approved template in 24 hours and ten in 30 days.'
  return isTooMany ? { refused: 'template_edit_limit', detail } : undefined
}
