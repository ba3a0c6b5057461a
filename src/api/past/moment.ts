import { z } from 'zod'
import { parsePosition } from '../../domain/kernel/position.ts'

const time = z.iso.datetime({ offset: true })

/** A moment of the past as a query names it: an RFC 3339 time or a position of the log. */
export const moment = z
  .string()
  .max(40)
  .transform((text, context) => {
    const position = parsePosition(text)
    if (position !== undefined) return position
    const parsed = time.safeParse(text)
    if (parsed.success) return new Date(parsed.data)
    context.addIssue({ code: 'custom', message: 'must be a time as RFC 3339 has it (`+` written as %2B) or a position' })
    return z.NEVER
  })

/** For a route's query: what is answered is what was so then. */
export const asOf = moment.optional().meta({
  type: 'string',
  description:
    'A time (RFC 3339) or a position: the answer is what was so then; `X-Position` names the last event it shows. Files and erased data are as they are now',
})
