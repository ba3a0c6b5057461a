import { describe, expect, it } from 'vitest'
import { bsuid, graphId, phoneDigits, templateId, wamid } from './ids.ts'
import { metaJson, signature } from './meta-json.ts'

describe('JSON as Meta writes it', () => {
  it('escapes what is not ASCII in lowercase hex, and slashes', () => {
    expect(metaJson({ body: 'Olá 👍 a/b' })).toBe(String.raw`{"body":"Ol\u00e1 \ud83d\udc4d a\/b"}`)
  })
  it('means the same as ordinary JSON', () => {
    const value = { text: 'ñ \u2028 \u007f "quoted" \\ / 漢字 🏳️‍🌈', n: 1.5, nothing: null }
    expect(JSON.parse(metaJson(value))).toEqual(value)
  })
  it('is signed over these very bytes', () => {
    // From `openssl dgst -sha256 -hmac secret`.
    expect(signature('secret', '{"a":1}')).toBe('sha256=aa9e2e3575f5d7098b6caccd790888c36d5fdb63342a73bada2d6a51747a8494')
  })
})

describe('ids', () => {
  it.each(['15550002222', '573005550101', '5511987654321', '4915112345678'])(
    'a message id for %s is base64 with padding and holds the number',
    (phone) => {
      const id = wamid(phone, 'business')
      expect(id).toMatch(/^wamid\.HBg[A-Za-z0-9+/]+=+$/)
      expect(Buffer.from(id.slice(6), 'base64').toString('latin1')).toContain(phone)
    },
  )
  it('are not given twice', () => {
    expect(new Set(Array.from({ length: 10_000 }, () => wamid('15550002222', 'business'))).size).toBe(10_000)
  })
  it('of objects are digits, and those of templates survive as JSON numbers', () => {
    expect(graphId()).toMatch(/^1\d{14}$/)
    const id = templateId()
    expect(String(Number(id))).toBe(id)
    expect(id).toHaveLength(16)
  })
  it('of a customer stay the same and start with the country', () => {
    expect(bsuid('5511987654321')).toMatch(/^BR\.\d{18,20}$/)
    expect(bsuid('5511987654321')).toBe(bsuid('5511987654321'))
  })
  it('of phones are read however people write them', () => {
    expect(phoneDigits('+1 (555) 000-2222')).toBe('15550002222')
    expect(phoneDigits('12345')).toBeUndefined()
    expect(phoneDigits('call me')).toBeUndefined()
  })
})
