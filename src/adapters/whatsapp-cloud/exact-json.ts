type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown

/** A whole number beyond 2^53 comes out as the text that it was: Meta's ids are such numbers, and a double would change their last digits. */
const exact: Reviver = (_key, value, { source }) =>
  typeof value === 'number' && source !== undefined && /^-?\d+$/.test(source) && !Number.isSafeInteger(value) ? source : value

/** JSON without loss of digits; undefined when it is none. */
export function exactJson(text: string): unknown {
  try {
    return JSON.parse(text, exact as (key: string, value: unknown) => unknown) as unknown
  } catch {
    return undefined
  }
}
