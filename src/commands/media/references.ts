import { isMediaKind, type MediaKind } from '../../domain/media/rules.ts'

/** A file of ours that a message names: where Meta's id would stand, or its own if it is one of Meta's (those are digits, ours are uuids). */
export type Reference = { readonly kind: MediaKind; readonly mediaId: string; readonly voice: boolean; readonly path: string }

type Fields = Readonly<Record<string, unknown>>
const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)
const ours = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

function referenceOf(kind: string, object: unknown, path: string): Reference | undefined {
  if (!isMediaKind(kind) || !isObject(object)) return undefined
  const { id, voice } = object
  return typeof id === 'string' && ours.test(id) ? { kind, mediaId: id, voice: voice === true, path: `${path}.id` } : undefined
}

/** Every file of ours in a message: the message's own, those in headers of interactive messages and cards, and in parameters of templates. */
export function referencesIn(type: string, object: unknown): readonly Reference[] {
  const found: Reference[] = []
  visit(type, object, type, (reference) => {
    found.push(reference)
    return undefined
  })
  return found
}

/** The same object with other ids in the place of ours. */
export const withIds = (type: string, object: unknown, idOf: (reference: Reference) => string | undefined): unknown => visit(type, object, type, idOf)

function visit(key: string, value: unknown, path: string, idOf: (reference: Reference) => string | undefined): unknown {
  const reference = referenceOf(key, value, path)
  if (reference !== undefined) {
    const id = idOf(reference)
    return id === undefined ? value : { ...(value as Fields), id }
  }
  if (Array.isArray(value)) return value.map((one, index) => visit('', one, `${path}.${index}`, idOf))
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, visit(name, one, `${path}.${name}`, idOf)]))
}
