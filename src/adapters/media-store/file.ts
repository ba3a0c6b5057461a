import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { MediaStore } from '../../commands/ports/media-store.ts'
import { isKey } from './key.ts'

/**
 * A directory. A file is written beside its place, synced, and renamed onto it; then the directories up to the root are synced, so that the name is as
 * durable as the bytes. What a killed process left half written has a name of its own and is never read.
 */
export function createFileStore(root: string): MediaStore {
  const base = resolve(root)
  const pathOf = (key: string): string => {
    if (!isKey(key)) throw new Error('not a key of the media store')
    return join(base, key)
  }
  return {
    async put(key, { size, bytes }) {
      const path = pathOf(key)
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      const draft = `${path}.${randomBytes(6).toString('hex')}.draft`
      const handle = await open(draft, 'wx', 0o600)
      try {
        const written = await write(handle, bytes)
        if (written !== size) throw new Error(`${written} bytes came where ${size} were announced`)
        await handle.sync()
        await handle.close()
        await rename(draft, path)
      } catch (error) {
        await handle.close().catch(() => undefined)
        await rm(draft, { force: true })
        throw error
      }
      for (let directory = dirname(path); directory.startsWith(base); directory = dirname(directory)) await syncDirectory(directory)
    },
    async read(key, { from, to }) {
      const path = pathOf(key)
      const found = await stat(path).catch((error: unknown) => (isMissing(error) ? undefined : Promise.reject(error as Error)))
      if (found === undefined) return undefined
      return from >= to ? nothing() : createReadStream(path, { start: from, end: to - 1, highWaterMark: 256 * 1024 })
    },
    async remove(key) {
      await rm(pathOf(key), { force: true })
    },
    async check() {
      await mkdir(base, { recursive: true, mode: 0o700 })
      const probe = join(base, `.${randomBytes(6).toString('hex')}.draft`)
      await (await open(probe, 'wx', 0o600)).close()
      await rm(probe)
    },
    close: () => Promise.resolve(),
  }
}

async function write(handle: FileHandle, bytes: AsyncIterable<Uint8Array>): Promise<number> {
  let written = 0
  for await (const piece of bytes) {
    for (let done = 0; done < piece.length;) done += (await handle.write(piece, done)).bytesWritten
    written += piece.length
  }
  return written
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
