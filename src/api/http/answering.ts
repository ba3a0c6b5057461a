import { createHash } from 'node:crypto'
import type { z } from 'zod'
import type { AuditTrail } from '../../commands/audit/trail.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Clock } from '../../domain/kernel/clock.ts'
import type { Position } from '../../domain/kernel/position.ts'
import { platformTenant } from '../../domain/kernel/stream.ts'
import { bodyHash } from './body.ts'
import { commandContext, sent, type Answer, type Call } from './call.ts'
import { fieldErrors } from './field-errors.ts'
import { idempotencyKey, ifMatch, readAfter } from './headers.ts'
import type { IdempotencyStore, IdempotentRequest, KeptAnswer, ReadAfter } from './idempotency.ts'
import { onlyKnown, parametersOf } from './parameters.ts'
import type { HttpHandler, HttpRequest, HttpResponse, Principal } from './principal.ts'
import { isRetryable, problem, Problem, problemBody, type FieldError } from './problem.ts'
import { changes, type Route } from './route.ts'

export type AnsweringDeps = {
  readonly idempotency: IdempotencyStore
  readonly readAfter: ReadAfter
  readonly clock: Clock
  readonly audit?: AuditTrail
}

const readAfterMs = 2_000

/** Parse, call the handler, answer: the whole life of an admitted request. Throws problems; the error handler renders them. */
export const answering = (route: Route, deps: AnsweringDeps): HttpHandler => {
  const parameters = parametersOf(route)
  return async (req: HttpRequest, res: HttpResponse): Promise<void> => {
    const principal = res.locals.principal as Principal
    const { requestId } = res.locals
    onlyKnown(parameters, req.query)
    const parsed = parse(route, req)
    const key = changes(route) ? idempotencyKey(req) : undefined
    const idempotent = key === undefined ? undefined : { tenantId: principal.tenantId, key, fingerprint: fingerprintOf(req, principal) }
    const call: Call<unknown, unknown, unknown> = {
      ...parsed,
      principal,
      tenantId: principal.tenantId,
      requestId,
      context: await withAddress(commandContext(principal, requestId, deps.clock(), idempotent), route, { principal, req, deps }),
      accessRecorded: Promise.resolve(),
      ifVersion: ifMatch(req),
      req,
      res,
    }
    const upTo = readAfter(req)
    if (idempotent !== undefined) return idempotently(route, { call, upTo }, idempotent, deps)
    await caughtUp(route, { call, upTo }, deps)
    const answer = await handled(route, call, deps)
    if (answer !== sent) give(res, kept(answer))
  }
}

type Asked = { readonly call: Call<unknown, unknown, unknown>; readonly upTo: Position | undefined }

/**
 * Waits until the read models that the handler looks at show the position of `X-Read-After`, of a write too: sending again a message that was just
 * queued has to find it. False when that took too long, and the answer says so.
 */
async function caughtUp(route: Route, { call, upTo }: Asked, deps: AnsweringDeps): Promise<boolean> {
  if (upTo === undefined || route.reads === undefined || (await deps.readAfter(route.reads, upTo, readAfterMs))) return true
  // Set before the handler runs: one that streams sends its headers itself.
  call.res.set('X-Stale', 'true')
  return false
}

/** The handler and, beside it, the entry about what it shows: an answer leaves only when both are done. When the entry cannot be stored, nothing is shown. */
async function handled(route: Route, call: Call<unknown, unknown, unknown>, { audit }: AnsweringDeps): Promise<Answer | typeof sent> {
  const entries: Promise<void>[] = []
  const access = route.audited?.(call)
  if (access !== undefined) entries.push(audit?.recordAccess({ ...access, request: requestOf(route) }, call.context) ?? Promise.resolve())
  if (isVisit(call)) entries.push(audit?.recordVisit(requestOf(route), call.context) ?? Promise.resolve())
  if (entries.length === 0) return route.handle(call)
  const accessRecorded = Promise.all(entries).then(() => undefined)
  // Should the handler refuse before anybody waits for it.
  accessRecorded.catch(() => undefined)
  const [answer] = await Promise.all([route.handle({ ...call, accessRecorded }), accessRecorded])
  return answer
}

const requestOf = (route: Route): string => `${route.method.toUpperCase()} ${route.path}`

/** The operator within a tenant that it named. */
const isVisit = ({ principal, tenantId }: Pick<Call<unknown, unknown, unknown>, 'principal' | 'tenantId'>): boolean =>
  principal.kind === 'operator' && tenantId !== platformTenant

async function withAddress(
  context: CommandContext,
  route: Route,
  { principal, req, deps: { audit } }: { principal: Principal; req: HttpRequest; deps: AnsweringDeps },
): Promise<CommandContext> {
  const told = changes(route) || route.audited !== undefined || isVisit({ principal, tenantId: context.tenantId })
  if (audit === undefined || !told || principal.kind === 'nobody' || req.ip === undefined) return context
  return { ...context, ip: await audit.sealAddress(req.ip, context) }
}

async function idempotently(route: Route, asked: Asked, request: IdempotentRequest, deps: AnsweringDeps): Promise<void> {
  const { call } = asked
  const claim = await deps.idempotency.claim(request)
  if (claim === 'conflict') throw problem('idempotency_conflict')
  if (claim === 'running') throw problem('idempotency_in_progress', { retryAfterSeconds: 1 })
  if (claim !== 'mine') {
    call.res.set('Idempotent-Replay', 'true')
    return give(call.res, claim.answered)
  }
  let answer: KeptAnswer
  try {
    answer = await keptAnswer(route, asked, deps)
  } catch (error) {
    // A release that fails (the database is away) is no loss: the claim lapses by itself.
    await deps.idempotency.release(request).catch(() => undefined)
    throw error
  }
  await deps.idempotency.keep(request, answer)
  give(call.res, answer)
}

/** The answer to keep. A refusal is an answer like any other; what may succeed later (5xx, 429, refused for what was not to be seen yet) is thrown on and not kept. */
async function keptAnswer(route: Route, asked: Asked, deps: AnsweringDeps): Promise<KeptAnswer> {
  const { call } = asked
  const sure = await caughtUp(route, asked, deps)
  try {
    const answer = await handled(route, call, deps)
    if (answer === sent) throw new Error(`${route.method} ${route.path} streams: it cannot take an Idempotency-Key`)
    return kept(answer)
  } catch (error) {
    if (!(error instanceof Problem) || isRetryable(error.code) || !sure) throw error
    return keptProblem(error, call.requestId)
  }
}

function kept(answer: Answer): KeptAnswer {
  return {
    status: answer.status,
    headers: {
      ...(answer.body === undefined ? {} : { 'Content-Type': 'application/json; charset=utf-8' }),
      ...(answer.position === undefined ? {} : { 'X-Position': answer.position }),
      ...(answer.version === undefined ? {} : { ETag: `"${answer.version}"` }),
      ...(answer.location === undefined ? {} : { Location: answer.location }),
      ...(answer.stale === true ? { 'X-Stale': 'true' } : {}),
    },
    body: answer.body === undefined ? undefined : JSON.stringify(answer.body),
  }
}

export function keptProblem(error: Problem, requestId: string): KeptAnswer {
  const { retryAfterSeconds, headers } = error.options
  return {
    status: error.status,
    headers: {
      ...headers,
      'Content-Type': 'application/problem+json; charset=utf-8',
      ...(retryAfterSeconds === undefined ? {} : { 'Retry-After': String(retryAfterSeconds) }),
    },
    body: JSON.stringify(problemBody(error, requestId)),
  }
}

export function give(res: HttpResponse, answer: KeptAnswer): void {
  res.status(answer.status).set({ ...answer.headers })
  res.end(answer.body)
}

/**
 * The address without its query's order or spelling would be a nicety; the bytes as they came are exact and enough. Who asks is part of it: an answer
 * that one key was given (a secret shown once, say) is not for another key of the tenant, which may hold fewer scopes.
 */
const fingerprintOf = (req: HttpRequest, { actor }: Principal): string =>
  createHash('sha256')
    .update(`${actor.kind}:${actor.id}\n${req.method} ${req.originalUrl}\n${bodyHash(req)}`)
    .digest('hex')

function parse(route: Route, req: HttpRequest): { params: unknown; query: unknown; body: unknown } {
  const params = route.params?.safeParse(req.params)
  if (params?.success === false) throw problem('not_found')
  const errors: FieldError[] = []
  const part = (where: string, schema: z.ZodType | undefined, value: unknown): unknown => {
    const result = schema?.safeParse(value)
    if (result?.success === false) errors.push(...fieldErrors(result.error, where))
    return result?.data
  }
  const query = part('query', route.query, req.query)
  const body = part('body', route.body, req.body)
  if (errors.length > 0) throw problem('invalid_request', { errors })
  return { params: params?.data, query, body }
}
