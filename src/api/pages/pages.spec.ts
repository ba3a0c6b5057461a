import { describe, expect, it } from 'vitest'
import { fromOwnPage } from './pages.ts'

const asked = (headers: Record<string, string>, remoteAddress: string | undefined = '127.0.0.1') =>
  fromOwnPage({ get: ((name: string) => ({ host: 'localhost:8080', ...headers })[name]) as never, socket: { remoteAddress } })

describe("the demo's key", () => {
  it('is given to the page that this machine opened', () => {
    expect(asked({ 'sec-fetch-site': 'same-origin' })).toBe(true)
    expect(asked({ host: '[::1]:8080' }, '::1')).toBe(true)
    expect(asked({}, '::ffff:127.0.0.1')).toBe(true)
  })
  it('is not given to another machine', () => {
    expect(asked({}, '192.168.1.20')).toBe(false)
  })
  it('is not given through a proxy, behind which anybody may stand', () => {
    expect(asked({ 'x-forwarded-for': '203.0.113.7' })).toBe(false)
  })
  it("is not given to another site's page", () => {
    expect(asked({ 'sec-fetch-site': 'cross-site' })).toBe(false)
    expect(asked({ 'sec-fetch-site': 'same-site' })).toBe(false)
  })
  it('is not given under a foreign name that leads to this machine', () => {
    expect(asked({ host: 'rebound.example:8080' })).toBe(false)
    expect(asked({ host: 'localhost.example' })).toBe(false)
  })
})
