/**
 * Where Meta says whose a change is. The number stands in `metadata`, but not for hand-overs and settings; the account is the entry's id, but for news of a
 * partnership the entry is the business and the account stands in `waba_info`.
 */
export const numberIn = (value: unknown): string | undefined =>
  idIn(fieldIn(value, 'metadata'), 'phone_number_id') ??
  idIn(fieldIn(value, 'recipient'), 'phone_number_id') ??
  idIn(fieldIn(value, 'phone_number_settings'), 'phone_number_id')

export const wabaIn = (value: unknown): string | undefined => idIn(fieldIn(value, 'waba_info'), 'waba_id')

export const fieldIn = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined

/** Becomes part of a key: what does not look like an id of Meta is nobody's. */
export const idIn = (value: unknown, name: string): string | undefined => {
  const field = fieldIn(value, name)
  const text = typeof field === 'string' || typeof field === 'number' ? String(field) : ''
  return /^[\w.-]{1,64}$/.test(text) ? text : undefined
}
