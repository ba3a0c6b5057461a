import { describe, expect, it } from 'vitest'
import { disposition, rangeOf } from './serve.ts'

describe('the range of a request', () => {
  it.each([
    ['bytes=0-99', { from: 0, to: 100 }],
    ['bytes=900-', { from: 900, to: 1000 }],
    ['bytes=900-5000', { from: 900, to: 1000 }],
    ['bytes=-5', { from: 995, to: 1000 }],
    ['bytes=-5000', { from: 0, to: 1000 }],
    ['bytes=1000-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    // Whatever is not one range is no range, and means the whole.
    ['bytes=5-4', undefined],
    ['bytes=0-1,5-6', undefined],
    ['bytes=-', undefined],
    ['lines=1-2', undefined],
    [undefined, undefined],
  ] as const)('%s of 1000 bytes', (header, range) => {
    expect(rangeOf(header, 1000)).toEqual(range)
  })
})

describe('how a browser is told to take a file', () => {
  it('shows pictures, sounds and videos, and saves everything else', () => {
    for (const type of ['image/jpeg', 'audio/ogg', 'video/mp4']) expect(disposition(type, undefined)).toBe('inline')
    for (const type of ['application/pdf', 'text/plain', 'text/html', 'image/svg+xml', 'application/octet-stream'])
      expect(disposition(type, undefined)).toBe('attachment')
  })
  it('lets no name end the header, leave its folder or turn its ending around', () => {
    expect(disposition('application/pdf', 'a"\r\nSet-Cookie: x=1;.pdf')).toBe(
      `attachment; filename="a___Set-Cookie: x=1;.pdf"; filename*=UTF-8''a%22__Set-Cookie%3A%20x%3D1%3B.pdf`,
    )
    expect(disposition('application/pdf', '../../etc/passwd')).toContain('filename=".._.._etc_passwd"')
    expect(disposition('application/pdf', 'invoice\u202Efdp.exe')).not.toContain('%E2%80%AE')
    expect(disposition('application/pdf', '\ud800')).toContain('filename*=')
  })
})
