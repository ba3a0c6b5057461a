import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startOffice, type Office } from '../../../tests/support/office.ts'

let office: Office
let database: () => Promise<string | undefined> = () => Promise.resolve(undefined)
beforeAll(async () => {
  office = await startOffice({ checks: { database: () => database(), store: () => Promise.resolve(undefined) } })
})
afterAll(() => office.stop())

describe('the machine room', () => {
  it('hears that the process runs', async () => {
    expect((await office.call(undefined, 'GET', '/healthz')).json).toMatchObject({ status: 'ok', version: 'test' })
  })
  it('hears that it is ready when every check is well', async () => {
    const ready = await office.call(undefined, 'GET', '/readyz')
    expect([ready.status, ready.json]).toEqual([200, { status: 'ready', checks: { database: 'ok', store: 'ok' } }])
  })
  it.each<[string, () => Promise<string | undefined>, string]>([
    ['says what is wrong', () => Promise.resolve('lost'), 'lost'],
    ['breaks, without its secrets', () => Promise.reject(new Error('password=x')), 'failed'],
    ['hangs', () => new Promise(() => undefined), 'no answer within 1500 ms'],
  ])('hears 503 when a check %s', async (_, check, said) => {
    database = check
    const reply = await office.call(undefined, 'GET', '/readyz')
    expect([reply.status, reply.json]).toEqual([503, { status: 'not_ready', checks: { database: said, store: 'ok' } }])
    expect(reply.headers.get('retry-after')).toBe('5')
  })
  it('gets its numbers as text', async () => {
    const reply = await office.call(undefined, 'GET', '/metrics')
    expect(reply.status).toBe(200)
    expect(reply.headers.get('content-type')).toContain('text/plain')
  })
})
