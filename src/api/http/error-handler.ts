import type { NextFunction } from 'express'
import { ZodError } from 'zod'
import { StoreUnavailable } from '../../domain/kernel/event-store.ts'
import { BadCursor } from '../../projections/engine/page.ts'
import { give, keptProblem } from './answering.ts'
import { fieldErrors } from './field-errors.ts'
import { badCursor } from './paging.ts'
import type { HttpRequest, HttpResponse } from './principal.ts'
import { problem, Problem } from './problem.ts'

/**
 * PostgreSQL or the way to it is gone or full: 08*, 53*, 57P0*, and the socket's own codes. Or a column, table or schema is not there (42703, 42P01, 3F000):
 * the read model of the version before is still in its place while the next one is filled from the log, or is being exchanged for it at this moment.
 * Repeating helps, a change of the request does not.
 */
const databaseAway = /^(08\w{3}|53\w{3}|57P0\w|42703|42P01|3F000|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOENT)$/

/** PostgreSQL could not hold or read a value (class 22: data exception): the last net under the schemas of requests. */
const badValue = /^22\w{3}$/

/** Anything thrown → the problem a client sees. What is not known becomes 500 without a word about what it was. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof ZodError) return problem('invalid_request', { errors: fieldErrors(error) })
  if (error instanceof BadCursor) return badCursor()
  if (error instanceof StoreUnavailable) return problem('unavailable', { retryAfterSeconds: error.retryAfterSeconds })
  const { type, status, code, message } = (error ?? {}) as { type?: unknown; status?: unknown; code?: unknown; message?: unknown }
  if (type === 'entity.parse.failed') return problem('malformed_json')
  if (type === 'entity.too.large') return problem('payload_too_large')
  if (type === 'charset.unsupported' || type === 'encoding.unsupported') return problem('unsupported_media_type')
  if (typeof status === 'number' && status >= 400 && status < 500) return problem('bad_request')
  if (typeof code === 'string' && databaseAway.test(code)) return problem('unavailable', { retryAfterSeconds: 2 })
  if (typeof code === 'string' && badValue.test(code)) return problem('invalid_request', 'A value is outside of what can be stored or looked for.')
  // pg's own errors have no code: a pool that cannot connect in time, a connection that broke under a query.
  if (
    typeof message === 'string' &&
    /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error)/.test(message)
  ) {
    return problem('unavailable', { retryAfterSeconds: 2 })
  }
  return problem('internal')
}

const fromPostgres = (error: unknown): boolean => error instanceof Error && 'severity' in error

/** The one place where an error becomes an answer. The cause of a 5xx is logged under the request's id, never sent; so is what PostgreSQL had to refuse, for a schema let it pass. */
export const errorHandler =
  (onError: (error: unknown, requestId: string, status: number) => void) =>
  (error: unknown, req: HttpRequest, res: HttpResponse, next: NextFunction): void => {
    const { requestId } = res.locals
    const answer = asProblem(error)
    if (answer.status >= 500 || fromPostgres(error)) onError(error, requestId, answer.status)
    // A stream that broke after its headers went out can only be cut.
    if (res.headersSent) return next(error)
    // The rest of a body that we will not read: without this the next request on the connection would start in the middle of it.
    if (!req.complete) res.set('Connection', 'close')
    give(res, keptProblem(answer, requestId))
  }
