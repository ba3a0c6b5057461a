/** One page of a list, and where the next one begins; undefined when this is the last. */
export type Page<Row> = { readonly rows: readonly Row[]; readonly nextCursor: string | undefined }

/** The cursor was not made by this list: 422 at the edge. */
export class BadCursor extends Error {
  override readonly name = 'BadCursor'
}

/** Where a page ended: the sort key of its last row with the id behind it, so that rows with equal keys are neither skipped nor repeated. */
export type Place = { readonly key: string; readonly id: string }

export const encodeCursor = ({ key, id }: Place): string => Buffer.from(JSON.stringify([key, id])).toString('base64url')

// PostgreSQL text cannot hold U+0000; no id or key has a control character.
// oxlint-disable-next-line no-control-regex -- control characters are what it is about
const isPlain = (part: unknown): part is string => typeof part === 'string' && /^[^\u0000-\u001f]*$/.test(part)

/** @throws BadCursor */
export function decodeCursor(cursor: string): Place {
  try {
    const place: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (Array.isArray(place) && place.length === 2 && isPlain(place[0]) && isPlain(place[1])) {
      return { key: place[0], id: place[1] }
    }
  } catch {
    // falls through to the one answer for everything that is no cursor
  }
  throw new BadCursor('not a cursor of this list')
}

/** The place of a cursor whose sort key is a moment. @throws BadCursor */
export function momentOf(cursor: string): { readonly at: Date; readonly id: string } {
  const { key, id } = decodeCursor(cursor)
  const at = new Date(key)
  // As toISOString writes it, with the years that it writes in four digits: JavaScript knows moments that PostgreSQL does not.
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(key) || Number.isNaN(at.getTime())) throw new BadCursor('not a cursor of this list')
  return { at, id }
}

/** The rows that were asked for out of one more than that: the extra one only tells whether there is a next page. */
export function pageOf<Row>(rows: readonly Row[], limit: number, place: (row: Row) => Place): Page<Row> {
  const kept = rows.slice(0, limit)
  const last = kept.at(-1)
  return { rows: kept, nextCursor: rows.length > limit && last !== undefined ? encodeCursor(place(last)) : undefined }
}
