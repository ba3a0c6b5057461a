import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { mkdtemp, open, rm, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A file that came in whole: what it is is known, where it belongs is not decided yet. */
export type Spooled = {
  readonly size: number
  /** Hex. */
  readonly sha256: string
  /** The first bytes, for looking at what it is. */
  readonly head: Buffer
  readonly bytes: () => AsyncIterable<Uint8Array>
  readonly dispose: () => Promise<void>
}

/** More came than may come. */
export class FileTooLarge extends Error {
  override readonly name = 'FileTooLarge'
  readonly limit: number
  constructor(limit: number) {
    super(`the file is larger than ${limit} bytes`)
    this.limit = limit
  }
}

const inMemory = 256 * 1024
const headSize = 64 * 1024
const readSize = 256 * 1024

/**
 * Takes a stream in until its end, to know its size and hash before anything is made of it.
 * Up to 256 KiB stay in memory. More goes to a file that has no name any more when its first byte is written (it is gone with the process, however that
 * ends), encrypted under a key that exists in memory only: a customer's picture never lies on a disk in plain.
 * @throws FileTooLarge
 */
export async function spool(source: AsyncIterable<Uint8Array>, limit: number): Promise<Spooled> {
  const hash = createHash('sha256')
  const first: Uint8Array[] = []
  let size = 0
  let overflow: Overflow | undefined
  try {
    for await (const piece of source) {
      size += piece.length
      if (size > limit) throw new FileTooLarge(limit)
      hash.update(piece)
      if (overflow === undefined) {
        first.push(piece)
        if (size > inMemory) overflow = await createOverflow(first)
      } else await overflow.write(piece)
    }
  } catch (error) {
    await overflow?.close()
    throw error
  }
  const sha256 = hash.digest('hex')
  const begin = Buffer.concat(first)
  const head = begin.subarray(0, headSize)
  if (overflow === undefined) return { size, sha256, head, bytes: () => once(begin), dispose: () => Promise.resolve() }
  const { read, close } = overflow
  return { size, sha256, head: Buffer.from(head), bytes: () => read(size), dispose: close }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes
}

type Overflow = {
  readonly write: (bytes: Uint8Array) => Promise<void>
  readonly read: (size: number) => AsyncIterable<Uint8Array>
  readonly close: () => Promise<void>
}

async function createOverflow(first: readonly Uint8Array[]): Promise<Overflow> {
  const handle = await openNameless()
  // Counter mode under a key that is used for this one file: confidentiality is all that is asked of it; the bytes are sealed for good afterwards.
  const key = randomBytes(32)
  const counter = randomBytes(16)
  const cipher = createCipheriv('aes-256-ctr', key, counter)
  async function write(bytes: Uint8Array): Promise<void> {
    const hidden = cipher.update(bytes)
    for (let done = 0; done < hidden.length;) done += (await handle.write(hidden, done)).bytesWritten
  }
  try {
    for (const one of first) await write(one)
  } catch (error) {
    await handle.close()
    throw error
  }
  return {
    write,
    async *read(size) {
      const decipher = createDecipheriv('aes-256-ctr', key, counter)
      for (let at = 0; at < size;) {
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(Math.min(readSize, size - at)), 0, Math.min(readSize, size - at), at)
        if (bytesRead === 0) throw new Error('the spool file is shorter than what was written to it')
        yield decipher.update(buffer.subarray(0, bytesRead))
        at += bytesRead
      }
    },
    close: () => handle.close(),
  }
}

async function openNameless(): Promise<FileHandle> {
  const directory = await mkdtemp(join(tmpdir(), 'recado-spool-'))
  try {
    return await open(join(directory, 'file'), 'wx+', 0o600)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
