import { createSecretKey, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { SealBroken } from '../../domain/kernel/vault.ts'
import { keyVersion, openWith, sealWith } from './seal.ts'

const key = createSecretKey(randomBytes(32))
const sealed = (text: string, boundTo = 'tenant/contact') => sealWith(key, 7, boundTo, Buffer.from(text))

describe('a seal', () => {
  it.each(['', 'Hola', 'ñandú 👋🏽', 'x'.repeat(100_000)])('opens to what was sealed', (text) => {
    expect(openWith(key, 'tenant/contact', sealed(text)).toString()).toBe(text)
  })

  it('stands in the documented format: format, version of the key, nonce, ciphertext, tag', () => {
    const bytes = sealed('Hola')
    expect(bytes).toHaveLength(1 + 2 + 12 + 4 + 16)
    expect(bytes[0]).toBe(1)
    expect(bytes.readUInt16BE(1)).toBe(7)
    expect(keyVersion(bytes)).toBe(7)
  })

  it('never uses a nonce twice, also past the end of the pool of random bytes', () => {
    const nonces = new Set(Array.from({ length: 5000 }, () => sealed('x').subarray(3, 15).toString('hex')))
    expect(nonces.size).toBe(5000)
  })

  it('does not open for another binding or another key', () => {
    expect(() => openWith(key, 'tenant/somebody else', sealed('Hola'))).toThrow(SealBroken)
    expect(() => openWith(createSecretKey(randomBytes(32)), 'tenant/contact', sealed('Hola'))).toThrow(SealBroken)
  })

  it('does not open when any one byte of nonce, ciphertext or tag was changed', () => {
    const bytes = sealed('Hola')
    for (let at = 3; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(() => openWith(key, 'tenant/contact', changed), `byte ${at}`).toThrow(SealBroken)
    }
  })

  it('says what is wrong with a text that is no sealed data at all', () => {
    expect(() => keyVersion(Buffer.from('Hola'))).toThrow('too short')
    expect(() => keyVersion(Buffer.alloc(40, 9))).toThrow('format 9')
  })
})
