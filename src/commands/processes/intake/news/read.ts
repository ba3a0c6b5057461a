/** Reads what a webhook's value may hold, without trusting that it does. */
export const fieldIn = (value: unknown, ...path: readonly string[]): unknown =>
  path.reduce<unknown>((inner, name) => (typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>)[name] : undefined), value)

const longest = 500

/** A text or number as text; nothing for what is empty or is neither. */
export function textIn(value: unknown, ...path: readonly string[]): string | undefined {
  const field = fieldIn(value, ...path)
  const text = typeof field === 'string' ? field.trim() : typeof field === 'number' ? String(field) : ''
  return text === '' ? undefined : text.replaceAll(/\p{Cc}+/gu, ' ').slice(0, longest)
}

export function listIn(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const field = fieldIn(value, ...path)
  return Array.isArray(field) ? field : []
}

/** `TIER_2K` from Meta's tiers and from the plain numbers that it also sends; -1 is its word for no limit. */
export function tierIn(value: unknown, ...path: readonly string[]): string | undefined {
  const text = textIn(value, ...path)
  if (text === undefined) return undefined
  if (!/^-?\d+$/.test(text)) return /^TIER_\w{1,20}$/.test(text) ? text : undefined
  const people = Number(text)
  if (people < 0) return 'TIER_UNLIMITED'
  return people >= 1_000 && people % 1_000 === 0 ? `TIER_${people / 1_000}K` : `TIER_${people}`
}

/** How many people a day; undefined for a tier nobody knows. */
export function peopleOf(tier: string): number | undefined {
  if (tier === 'TIER_UNLIMITED') return Number.POSITIVE_INFINITY
  const [, digits, thousands] = /^TIER_(\d+)(K?)$/.exec(tier) ?? []
  return digits === undefined ? undefined : Number(digits) * (thousands === 'K' ? 1_000 : 1)
}
