import { GraphError } from '../wire/graph-error.ts'
import type { Fields } from './http.ts'

/** The `fields` of a GET: those asked for (the id always), or the usual ones. A name that does not exist is an error, as in Graph. */
export function selectFields(node: Fields, nodeType: string, asked: string | null, usual: readonly string[]): Fields {
  const names = asked === null || asked === '' ? usual : ['id', ...asked.split(',').map((name) => name.trim().replace(/[.{(].*$/s, ''))]
  const unknown = names.find((name) => !(name in node))
  if (unknown !== undefined)
    throw new GraphError(100, { message: `(#100) Tried accessing nonexisting field (${unknown}) on node type (${nodeType})` })
  return Object.fromEntries(names.filter((name) => node[name] !== undefined).map((name) => [name, node[name]]))
}

/** One page of a list with Graph's cursors, which name the first and the last item. */
export function page<T extends { readonly id: string }>(
  items: readonly T[],
  query: URLSearchParams,
  show: (item: T) => unknown,
  self: string,
): unknown {
  const limit = Math.min(1000, Math.max(1, Number(query.get('limit') ?? 25) || 25))
  const after = query.get('after')
  const start = after === null ? 0 : items.findIndex((item) => cursor(item) === after) + 1
  if (after !== null && start === 0) throw new GraphError(131059, { message: '(#131059) Invalid cursor' })
  const shown = items.slice(start, start + limit)
  const first = shown[0]
  const last = shown.at(-1)
  if (!first || !last) return { data: [] }
  const next = new URLSearchParams(query)
  next.delete('access_token')
  next.set('after', cursor(last))
  return {
    data: shown.map(show),
    paging: { cursors: { before: cursor(first), after: cursor(last) }, ...(start + limit < items.length && { next: `${self}?${next}` }) },
  }
}

const cursor = (item: { readonly id: string }): string => Buffer.from(item.id).toString('base64url')
