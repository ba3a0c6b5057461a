import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isSigned, signingKeys } from './signature.ts'

const signed = (body: Uint8Array, secret: string): string => `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`

describe('the signature of a delivery', () => {
  it('is the HMAC that everybody else computes, whatever the lengths of secret and body', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 150 }), fc.uint8Array({ maxLength: 300 }), (secret, body) => {
        expect(isSigned(body, signed(body, secret), signingKeys([secret]))).toBe(true)
        expect(isSigned(body, signed(body, `${secret}!`), signingKeys([secret]))).toBe(false)
      }),
    )
    for (const length of [0, 63, 64, 16 * 1024 - 65, 16 * 1024 - 64, 16 * 1024 - 63, 1_000_000]) {
      const body = Buffer.alloc(length, 'x')
      expect(isSigned(body, signed(body, 'secret'), signingKeys(['secret'])), `${length} bytes`).toBe(true)
    }
  })
  it('holds for one body only, and for any of the current secrets', () => {
    const body = Buffer.from('{"object":"whatsapp_business_account"}')
    const keys = signingKeys(['current', 'previous'])
    expect(isSigned(body, signed(body, 'previous').toUpperCase().replace('SHA256', 'sha256'), keys)).toBe(true)
    expect(isSigned(Buffer.from('{"object":"whatsapp_business_accounT"}'), signed(body, 'current'), keys)).toBe(false)
    expect(isSigned(body.subarray(1), signed(body, 'current'), keys)).toBe(false)
    expect(isSigned(body, signed(body, 'current'), [])).toBe(false)
  })
})
