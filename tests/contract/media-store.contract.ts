import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { MediaStore } from '../../src/commands/ports/media-store.ts'

async function* pieces(...all: (string | Error)[]): AsyncGenerator<Uint8Array> {
  for (const one of all) {
    if (one instanceof Error) throw one
    yield Buffer.from(one)
  }
}
const collect = async (bytes: AsyncIterable<Uint8Array> | undefined): Promise<string | undefined> => {
  if (bytes === undefined) return undefined
  const all: Uint8Array[] = []
  for await (const piece of bytes) all.push(piece)
  return Buffer.concat(all).toString()
}

/** What every media store promises. */
export function mediaStoreContract(name: string, open: () => Promise<{ store: MediaStore; close: () => Promise<void> }>): void {
  describe(`a media store: ${name}`, () => {
    let opened: Awaited<ReturnType<typeof open>>
    let store: MediaStore
    const whole = { from: 0, to: 1_000 }
    beforeAll(async () => {
      opened = await open()
      store = opened.store
      await store.check()
    })
    afterAll(async () => {
      await store.close()
      await opened.close()
    })

    it('gives back what was put, whole and in parts', async () => {
      await store.put('tenant/one/file', { size: 11, bytes: pieces('hello', ' ', 'world') })
      expect(await collect(await store.read('tenant/one/file', whole))).toBe('hello world')
      expect(await collect(await store.read('tenant/one/file', { from: 6, to: 9 }))).toBe('wor')
      expect(await collect(await store.read('tenant/one/file', { from: 3, to: 3 }))).toBe('')
    })
    it('has nothing under a key that was never put', async () => {
      expect(await store.read('tenant/never/file', whole)).toBeUndefined()
      expect(await store.read('tenant/never/file', { from: 0, to: 0 })).toBeUndefined()
    })
    it('keeps the latest of what was put', async () => {
      await store.put('tenant/two/file', { size: 3, bytes: pieces('old') })
      await store.put('tenant/two/file', { size: 5, bytes: pieces('newer') })
      expect(await collect(await store.read('tenant/two/file', whole))).toBe('newer')
    })
    it('keeps nothing of what broke off, and what was there before stays', async () => {
      await expect(store.put('tenant/three/file', { size: 8, bytes: pieces('half', new Error('cut')) })).rejects.toThrow()
      expect(await store.read('tenant/three/file', whole)).toBeUndefined()
      await store.put('tenant/three/file', { size: 4, bytes: pieces('good') })
      await expect(store.put('tenant/three/file', { size: 8, bytes: pieces('half', new Error('cut')) })).rejects.toThrow()
      expect(await collect(await store.read('tenant/three/file', whole))).toBe('good')
    })
    it('refuses fewer bytes than were announced', async () => {
      await expect(store.put('tenant/four/file', { size: 8, bytes: pieces('short') })).rejects.toThrow()
      expect(await store.read('tenant/four/file', whole)).toBeUndefined()
    })
    it('removes, also what is not there', async () => {
      await store.put('tenant/five/file', { size: 3, bytes: pieces('old') })
      await store.remove('tenant/five/file')
      await store.remove('tenant/five/file')
      expect(await store.read('tenant/five/file', whole)).toBeUndefined()
    })
    it('refuses keys that could lead elsewhere', async () => {
      for (const key of ['../secret', 'tenant/../../secret', '/etc/passwd', 'tenant//file', 'tenant/a?b', ''])
        await expect(store.put(key, { size: 1, bytes: pieces('x') })).rejects.toThrow('not a key')
    })
    it('takes several megabytes', async () => {
      const piece = 'x'.repeat(1024 * 1024)
      await store.put('tenant/large/file', { size: 3 * piece.length, bytes: pieces(piece, piece, piece) })
      const read = await collect(await store.read('tenant/large/file', { from: piece.length - 5, to: 2 * piece.length + 5 }))
      expect(read?.length).toBe(piece.length + 10)
    })
  })
}
