import { z } from 'zod'
import type { Page } from '../../projections/engine/page.ts'
import { problem, type Problem } from './problem.ts'

const digits = z
  .string()
  .regex(/^\d{1,9}$/, 'must be a whole number')
  .transform(Number)

const mostRows = 200

/** `?limit=` (50; who asks for more than 200 gets 200) and `?cursor=`, to spread into a route's query schema. */
export const paging = {
  limit: digits
    .pipe(z.number().min(1))
    .transform((rows) => Math.min(rows, mostRows))
    .default(50)
    .meta({ type: 'integer', minimum: 1, default: 50, description: `Rows of a page, at most ${mostRows}: more is answered with as many` }),
  cursor: z.string().max(500).optional().meta({ description: 'The `next_cursor` of the page before' }),
}

/** `?flag=true|false` as a boolean. */
export const flag = z.enum(['true', 'false']).transform((text) => text === 'true')

/** A list's schema. */
export const pageOf = <T extends z.ZodType>(item: T): z.ZodObject<{ data: z.ZodArray<T>; next_cursor: z.ZodNullable<z.ZodString> }> =>
  z.object({ data: z.array(item), next_cursor: z.string().nullable() })

/** What a cursor that was not made by this list is answered with. */
export const badCursor = (): Problem =>
  problem('invalid_request', { errors: [{ path: 'query.cursor', code: 'invalid_cursor', message: 'is not a cursor of this list' }] })

/** A page of rows as a list's answer. */
export const listBody = <Row, T>({ rows, nextCursor }: Page<Row>, render: (row: Row) => T): { data: T[]; next_cursor: string | null } => ({
  data: rows.map(render),
  next_cursor: nextCursor ?? null,
})
