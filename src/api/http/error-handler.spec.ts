import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { StoreUnavailable } from '../../domain/kernel/event-store.ts'
import { BadCursor } from '../../projections/engine/page.ts'
import { keptProblem } from './answering.ts'
import { asProblem, errorHandler } from './error-handler.ts'
import { problem, problemBody } from './problem.ts'

describe('what was thrown', () => {
  it.each<[string, unknown, number, string]>([
    ['a full log', new StoreUnavailable('queue_full', 'full', 7), 503, 'unavailable'],
    ['a database that is gone', Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }), 503, 'unavailable'],
    ['a database that restarts', Object.assign(new Error('terminating'), { code: '57P01' }), 503, 'unavailable'],
    ['a connection cut under a query', new Error('Connection terminated unexpectedly'), 503, 'unavailable'],
    [
      'a value that PostgreSQL cannot hold',
      Object.assign(new Error('invalid byte sequence'), { code: '22021', severity: 'ERROR' }),
      422,
      'invalid_request',
    ],
    [
      'a column that a read model gets with its next version, which is still being filled',
      Object.assign(new Error('column "media" does not exist'), { code: '42703', severity: 'ERROR' }),
      503,
      'unavailable',
    ],
    ['a cursor of another list', new BadCursor('no'), 422, 'invalid_request'],
    ['a mistake of ours', new TypeError('x is not a function'), 500, 'internal'],
    ['something that is no error', 'oops', 500, 'internal'],
    ['nothing at all', undefined, 500, 'internal'],
  ])('as %s becomes its problem', (_, thrown, status, code) => {
    expect(asProblem(thrown)).toMatchObject({ status, code })
  })
  it('tells the client when to come back to a full log', () => {
    expect(problemBody(asProblem(new StoreUnavailable('queue_full', 'full', 7)), 'r')).toMatchObject({
      retryable: true,
      retry_after: 7,
      request_id: 'r',
    })
  })
  it.each([problem('unavailable'), problem('provider_unreachable', 'Meta is away.'), asProblem(Object.assign(new Error(), { code: '57P03' }))])(
    'with 503 always tells the client when to come back',
    (thrown) => {
      const { retry_after: seconds } = problemBody(thrown, 'r')
      expect(seconds).toBeGreaterThan(0)
      expect(keptProblem(thrown, 'r').headers['Retry-After']).toBe(String(seconds))
    },
  )
  it('of PostgreSQL about a value reaches the log although the client is told', () => {
    const logged: unknown[] = []
    const res = { locals: { requestId: 'r' }, headersSent: false, status: () => res, set: () => res, end: () => res }
    const thrown = Object.assign(new Error('invalid byte sequence'), { code: '22021', severity: 'ERROR' })
    errorHandler((error, _requestId, status) => logged.push([error, status]))(thrown, { complete: true } as never, res as never, () => undefined)
    expect(logged).toEqual([[thrown, 422]])
  })
  it('says nothing of a mistake of ours', () => {
    expect(JSON.stringify(problemBody(asProblem(new Error('select * from secrets')), 'r'))).not.toContain('secrets')
  })
  it('names the fields of a body, never their values', () => {
    const result = z.strictObject({ name: z.string(), plan: z.enum(['free']) }).safeParse({ name: 5, plan: 'gold-plated', 'my secret': 1 })
    const body = problemBody(asProblem(result.error), 'r')
    expect(body).toMatchObject({ status: 422, errors: [{ path: 'name' }, { path: 'plan' }, { path: 'my secret', code: 'unrecognized_key' }] })
    expect(JSON.stringify(body)).not.toContain('gold-plated')
  })
})
