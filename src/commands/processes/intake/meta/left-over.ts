import type { NewsItem } from './items.ts'
import { errorsAreTold } from './messages.ts'
import type { NumberChange } from './change.ts'

const told = new Set(['messaging_product', 'metadata', 'contacts', 'messages', 'statuses'])
/** Said in the news as it is. */
const open = new Set(['errors', 'user_actions'])

/**
 * What else the field `messages` says: errors of the number, clicks on marketing messages (`user_actions`), summaries (`conversation_context`) and whatever
 * comes next. None of it is a message; it is news of the account. The log of an account is not sealed, so of anything that may quote people only its name
 * is told; the rest stays in the sealed delivery.
 */
export function translateLeftOver({ path, field, wabaId, phoneNumberId, value, at }: NumberChange): readonly NewsItem[] {
  const withErrors = (value.errors ?? []).length > 0 && !errorsAreTold(value.messages ?? [])
  const rest = Object.entries(value).filter(
    ([key, said]) => !told.has(key) && said !== undefined && said !== null && (key !== 'errors' || withErrors),
  )
  if (rest.length === 0) return []
  const unnamed = rest.filter(([key]) => !open.has(key)).map(([key]) => key)
  const said = { ...Object.fromEntries(rest.filter(([key]) => open.has(key))), ...(unnamed.length === 0 ? {} : { also: unnamed }) }
  return [{ kind: 'news', path: `${path}.value`, field, wabaId, phoneNumberId, value: said, at }]
}
