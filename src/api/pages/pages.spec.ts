import { describe, expect, it } from 'vitest'
import { fromOwnPage } from './pages.ts'

const asked = (headers: Record<string, string>, remoteAddress: string | undefined = '127.0.0.1') =>
  fromOwnPage({ headers: { host: 'localhost:8080', ...headers }, socket: { remoteAddress } })

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
    for (const header of ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip', 'via', 'forwarded']) {
      expect({ header, given: asked({ [header]: '' }) }).toEqual({ header, given: false })
    }
  })
  it("is not given to another site's page", () => {
    expect(asked({ 'sec-fetch-site': 'cross-site' })).toBe(false)
    expect(asked({ 'sec-fetch-site': 'same-site' })).toBe(false)
    for (const foreign of ['https://inbox.example', 'https://localhost.example/', 'null']) {
      expect(asked({ origin: foreign })).toBe(false)
      expect(asked({ referer: foreign })).toBe(false)
    }
    expect(asked({ origin: 'http://localhost:8080', referer: 'http://localhost:8080/' })).toBe(true)
  })
  it('is not given under a foreign name that leads to this machine', () => {
    expect(asked({ host: 'rebound.example:8080' })).toBe(false)
    expect(asked({ host: 'localhost.example' })).toBe(false)
  })
})
