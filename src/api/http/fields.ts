import { z } from 'zod'

/** The `{id}` of a resource, a uuid in every table: another text names nothing, which is 404 and not a database error. */
export const idParams = z.object({ id: z.uuid() })

/** A short text for people (a name, a reason): no control characters, no blanks around it. PostgreSQL text cannot hold U+0000 at all. */
export const line = (most: number): z.ZodString =>
  z
    .string()
    .trim()
    .min(1)
    .max(most)
    // oxlint-disable-next-line no-control-regex -- control characters are what it is about
    .regex(/^[^\u0000-\u001f\u007f]*$/, 'must not contain control characters')

/** RFC 3339 UTC with milliseconds, as every time goes out. */
export const time = z.iso.datetime()
