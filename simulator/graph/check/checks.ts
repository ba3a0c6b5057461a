import { GraphError } from '../../wire/graph-error.ts'
import { isObject, type Fields } from '../http.ts'

/**
 * The vocabulary of the validation. A missing parameter is 131008 everywhere; a bad value is 131009 in structured messages and 100 in plain ones,
 * so the checks are made for a code.
 */
export type Checks = {
  readonly object: (value: unknown, path: string) => Fields
  readonly text: (value: unknown, path: string, max: number) => string
  readonly optionalText: (value: unknown, path: string, max: number) => string | undefined
  readonly list: (value: unknown, path: string, min: number, max: number) => readonly unknown[]
  readonly oneOf: <T extends string>(value: unknown, path: string, allowed: readonly T[]) => T
  readonly url: (value: unknown, path: string) => string
  readonly coordinate: (value: unknown, path: string, limit: number) => number
  readonly only: (object: Fields, path: string, keys: readonly string[]) => void
  readonly unique: (values: readonly string[], path: string) => void
  readonly bad: (details: string) => GraphError
}

export const missing = (path: string, why = 'is missing'): GraphError => new GraphError(131008, { details: `Parameter '${path}' ${why}` })

/** In characters as people count them; `length` settles all but the long texts. */
const tooLong = (text: string, max: number): boolean => text.length > max && Array.from(text).length > max

export function checksFor(code: 100 | 131009): Checks {
  const bad = (details: string): GraphError => new GraphError(code, { details })
  const self: Checks = {
    bad,
    object(value, path) {
      if (value === undefined || value === null) throw missing(path)
      if (!isObject(value)) throw bad(`Parameter '${path}' must be a JSON object`)
      return value
    },
    text(value, path, max) {
      if (value === undefined || value === null || value === '') throw missing(path)
      if (typeof value !== 'string') throw bad(`Parameter '${path}' must be a string`)
      if (tooLong(value, max)) throw bad(`Param ${path} must be at most ${max} characters long`)
      return value
    },
    optionalText: (value, path, max) => (value === undefined || value === null || value === '' ? undefined : self.text(value, path, max)),
    list(value, path, min, max) {
      if (value === undefined || value === null) throw missing(path)
      if (!Array.isArray(value)) throw bad(`Parameter '${path}' must be an array`)
      if (value.length < min) throw bad(`Parameter '${path}' must have at least ${min} item(s)`)
      if (value.length > max) throw bad(`Parameter '${path}' has too many items: ${value.length}, at most ${max}`)
      return value as unknown[]
    },
    oneOf(value, path, allowed) {
      if (value === undefined || value === null) throw missing(path)
      const found = allowed.find((item) => item === value)
      if (found === undefined) throw bad(`Param ${path} must be one of {${allowed.join(', ')}} - got ${JSON.stringify(value)}`)
      return found
    },
    url(value, path) {
      const text = self.text(value, path, 2048)
      if (!/^https?:\/\/[^\s/]+/i.test(text)) throw bad(`Param ${path} must be a valid URL`)
      return text
    },
    coordinate(value, path, limit) {
      if (value === undefined || value === null || value === '') throw missing(path)
      const number = typeof value === 'string' ? Number(value) : value
      if (typeof number !== 'number' || !Number.isFinite(number) || Math.abs(number) > limit)
        throw bad(`Param ${path} must be a number between -${limit} and ${limit}`)
      return number
    },
    only(object, path, keys) {
      const extra = Object.keys(object).find((key) => !keys.includes(key))
      if (extra !== undefined) throw new GraphError(100, { message: `(#100) Unexpected key "${extra}" on param "${path}".` })
    },
    unique(values, path) {
      if (new Set(values).size !== values.length) throw bad(`Parameter '${path}' has a duplicate`)
    },
  }
  return self
}

export const plain = checksFor(100)
export const structured = checksFor(131009)
