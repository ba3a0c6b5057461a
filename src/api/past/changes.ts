export type FieldChange = { readonly field: string; readonly before?: unknown; readonly after?: unknown }

type Body = Readonly<Record<string, unknown>>

/** The fields in which two states of a resource differ, by name; those of objects within it one by one (`last_message.status`), lists as a whole. */
export function changesBetween(before: Body | undefined, after: Body | undefined): readonly FieldChange[] {
  const [earlier, later] = [flat(before ?? {}), flat(after ?? {})]
  const fields = [...new Set([...earlier.keys(), ...later.keys()])]
  return fields
    .filter((field) => JSON.stringify(earlier.get(field)) !== JSON.stringify(later.get(field)))
    .map((field) => ({
      field,
      ...(earlier.has(field) ? { before: earlier.get(field) } : {}),
      ...(later.has(field) ? { after: later.get(field) } : {}),
    }))
}

function flat(body: Body, prefix = ''): Map<string, unknown> {
  const fields = new Map<string, unknown>()
  for (const [name, value] of Object.entries(body)) {
    if (isObject(value)) for (const [inner, held] of flat(value, `${prefix}${name}.`)) fields.set(inner, held)
    else if (value !== undefined) fields.set(`${prefix}${name}`, value)
  }
  return fields
}

const isObject = (value: unknown): value is Body => typeof value === 'object' && value !== null && !Array.isArray(value)
