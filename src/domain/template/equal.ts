/** Whether two JSON values say the same. Meta does not keep the order of keys. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, index) => sameJson(item, b[index]))
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  const left = present(a)
  const right = present(b)
  return left.size === right.size && [...left].every(([key, value]) => right.has(key) && sameJson(value, right.get(key)))
}

/** A field that is undefined is no field: it does not survive JSON. */
const present = (value: object): ReadonlyMap<string, unknown> => new Map(Object.entries(value).filter(([, item]) => item !== undefined))
