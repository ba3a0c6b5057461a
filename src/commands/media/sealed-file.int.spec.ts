import { randomBytes, randomUUID } from 'node:crypto'
import { readdir, truncate, mkdtemp, rm, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { createFileStore } from '../../adapters/media-store/file.ts'
import { checkMasterKey } from '../../adapters/keyring/master-key.ts'
import { createVault } from '../../adapters/keyring/vault.ts'
import type { Vault } from '../../domain/kernel/vault.ts'
import { createPool } from '../../postgres/pool.ts'
import type { MediaStore } from '../ports/media-store.ts'
import { openSealed, storageKeyOf, storeSealed, type SealedFile } from './sealed-file.ts'
import { FileTooLarge, spool } from './spool.ts'

let db: TestDatabase
let pool: Pool
let vault: Vault
let newVault: () => Vault
let store: MediaStore
let directory: string
const tenantId = randomUUID()
const MiB = 1024 * 1024

beforeAll(async () => {
  db = await freshDatabase()
  pool = createPool({ url: db.url, role: 'recado_worker', max: 4, name: 'sealed files' })
  const masterKey = randomBytes(32)
  await checkMasterKey({ pool, masterKey })
  newVault = () => createVault({ pool, masterKey })
  vault = newVault()
  directory = await mkdtemp(join(tmpdir(), 'recado-sealed-'))
  store = createFileStore(directory)
})
afterAll(async () => {
  await pool.end()
  await rm(directory, { recursive: true })
  await db.drop()
})

async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
const collect = async (bytes: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const all: Uint8Array[] = []
  for await (const piece of bytes) all.push(piece)
  return Buffer.concat(all)
}
const fileOf = (size: number, subject = 'ana'): SealedFile => {
  const mediaId = randomUUID()
  return { tenantId, subject, mediaId, part: 'file', storageKey: storageKeyOf(tenantId, mediaId, 'file'), size }
}
async function kept(bytes: Buffer, subject?: string): Promise<SealedFile> {
  const file = fileOf(bytes.length, subject)
  await storeSealed({ store, vault }, file, inChunks(bytes, 70_001))
  return file
}
const read = async (file: SealedFile, range?: { from: number; to: number }, by = vault): Promise<Buffer> => {
  const opened = await openSealed({ store, vault: by }, file, range)
  if (!('bytes' in opened)) throw new Error(JSON.stringify(opened))
  return collect(opened.bytes)
}

describe('a sealed file', () => {
  it.each([0, 1, MiB - 1, MiB, MiB + 1, 2.5 * MiB])('of %d bytes comes back as it was', async (size) => {
    const bytes = randomBytes(size)
    expect((await read(await kept(bytes))).equals(bytes)).toBe(true)
  })
  it('gives any part of itself', async () => {
    const bytes = randomBytes(2.5 * MiB)
    const file = await kept(bytes)
    for (const [from, to] of [
      [0, 10],
      [MiB - 3, MiB + 3],
      [MiB, 2 * MiB],
      [2 * MiB + 5, 2.5 * MiB],
      [5, 2.5 * MiB - 5],
      [7, 7],
    ] as const)
      expect((await read(file, { from, to })).equals(bytes.subarray(from, to)), `${from}-${to}`).toBe(true)
  })
  it('shows nothing of itself to who reads the disk', async () => {
    const file = await kept(Buffer.from('a very personal sentence '.repeat(1000)))
    const onDisk = await readFile(join(directory, file.storageKey))
    expect(onDisk.includes('personal')).toBe(false)
  })
  it('does not open as another file, of another person, or cut short', async () => {
    const file = await kept(randomBytes(2 * MiB))
    await expect(read({ ...file, mediaId: randomUUID() })).rejects.toThrow('changed or moved')
    await expect(read({ ...file, subject: 'bob' })).rejects.toThrow()
    await expect(read({ ...file, size: MiB })).rejects.toThrow('changed or moved')
    await truncate(join(directory, file.storageKey), MiB + 31)
    await expect(read(file)).rejects.toThrow('ends before its end')
  })
  it('does not open when pieces were swapped', async () => {
    const file = await kept(randomBytes(2 * MiB))
    const path = join(directory, file.storageKey)
    const sealed = await readFile(path)
    await writeFile(path, Buffer.concat([sealed.subarray(MiB + 31), sealed.subarray(0, MiB + 31)]))
    await expect(read(file)).rejects.toThrow('changed or moved')
  })
  it('is "erased" once the key of its person is destroyed', async () => {
    const file = await kept(randomBytes(1000), 'carla')
    await pool.query('update keyring.subject_keys set wrapped_key = null, destroyed_at = now() where subject = $1', ['carla'])
    expect(await openSealed({ store, vault: newVault() }, file)).toEqual({ erased: true })
  })
  it('that the store does not have is missing', async () => {
    expect(await openSealed({ store, vault }, fileOf(10))).toEqual({ missing: true })
  })
  it('is not stored when fewer bytes come than were said', async () => {
    const file = fileOf(100)
    await expect(storeSealed({ store, vault }, file, inChunks(randomBytes(99), 50))).rejects.toThrow()
    expect(await openSealed({ store, vault }, file)).toEqual({ missing: true })
  })
})

describe('the spool', () => {
  it.each([0, 1000, 3 * MiB])('tells size and hash of %d bytes and gives them again, more than once', async (size) => {
    const bytes = randomBytes(size)
    const file = await spool(inChunks(bytes, 100_000), 4 * MiB)
    expect(file.size).toBe(size)
    expect(file.head.equals(bytes.subarray(0, 64 * 1024))).toBe(true)
    for (let time = 0; time < 2; time++) expect((await collect(file.bytes())).equals(bytes)).toBe(true)
    await file.dispose()
  })
  it('stops at the limit and leaves nothing behind', async () => {
    await expect(spool(inChunks(randomBytes(2 * MiB), 100_000), MiB)).rejects.toThrow(FileTooLarge)
    const left = (await readdir(tmpdir())).filter((name) => name.startsWith('recado-spool-'))
    expect(left).toEqual([])
  })
})
