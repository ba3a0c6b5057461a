import { z } from 'zod'
import { problem } from './problem.ts'
import type { Route } from './route.ts'

/** Of the parameters named in an answer, and of the characters of each. */
const most = { names: 20, characters: 60 }

/**
 * The query parameters of a route. Undefined where any may come: a public address filters nothing, and who calls it (a probe, a browser that follows a link
 * from a mail) adds what it likes.
 */
export function parametersOf({ access, query, path }: Route): readonly string[] | undefined {
  if (access === 'public') return undefined
  if (query === undefined) return []
  if (!(query instanceof z.ZodObject))
    throw new Error(`${path}: the schema of the query must be an object, or nobody can tell which parameters it has`)
  return Object.keys(query.shape)
}

/** A mistyped filter would not be applied, and the answer, or the export, would hold everything: so it is refused, with the names there are. */
export function onlyKnown(known: readonly string[] | undefined, query: Readonly<Record<string, unknown>>): void {
  if (known === undefined) return
  const unknown = Object.keys(query).filter((name) => !known.includes(name))
  if (unknown.length === 0) return
  const named = unknown.slice(0, most.names).map((name) => name.slice(0, most.characters))
  const knows = known.length === 0 ? 'no parameters' : listOf(known.map((name) => `\`${name}\``))
  throw problem('unknown_parameter', {
    detail: `This address does not know ${listOf(named.map((name) => JSON.stringify(name)))}. It knows ${knows}.`,
    errors: named.map((name) => ({ path: `query.${name}`, code: 'unrecognized_key', message: 'is not known here' })),
  })
}

const listOf = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1) ?? ''}`
