import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { operatorKey, startOffice, type Office } from '../../../tests/support/office.ts'

let office: Office
beforeAll(async () => {
  office = await startOffice({
    rateLimits: { requestsPerSecond: 2, failuresPerMinute: 5 },
  })
})
afterAll(() => office.stop())

describe('limits', () => {
  it('stop a key that runs away, tell it when to come back, and leave others alone', async () => {
    const statuses = []
    for (let i = 0; i < 22; i++) statuses.push((await office.call(operatorKey, 'GET', '/v1/me')).status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(20)
    const refused = await office.call(operatorKey, 'GET', '/v1/me')
    expect(refused.json).toMatchObject({ status: 429, code: 'rate_limited', retryable: true })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await office.call(undefined, 'GET', '/healthz')).status).toBe(200)
  })

  it('stop who guesses credentials', async () => {
    const statuses = []
    for (let i = 0; i < 6; i++) statuses.push((await office.call(`guess-${i}`, 'GET', '/v1/me')).status)
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429])
  })
})
