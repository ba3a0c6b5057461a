import { SealBroken, type SealContext, type Vault } from '../../domain/kernel/vault.ts'
import type { ByteRange, MediaStore } from '../ports/media-store.ts'

/**
 * A file at rest: sealed piece by piece, so that nobody has to hold a hundred megabytes to write it or to show a minute of a video from the middle.
 * Each piece is bound to tenant, subject, file, part, its place and how many there are: none can be cut off, swapped or moved to another file unnoticed.
 * `size` (of the plain bytes) comes from the log, so where each piece lies is plain arithmetic.
 */
export type SealedFile = {
  readonly tenantId: string
  /** Whose key: see `subjectOf`. */
  readonly subject: string
  readonly mediaId: string
  readonly part: 'file' | 'thumbnail'
  readonly storageKey: string
  readonly size: number
}

/** 1 MiB: 31 bytes more each, and half a millisecond to seal; what one reader holds in memory is two of them. */
const pieceSize = 1024 * 1024
/** Format, key version, nonce and tag, see `Vault`. */
const sealing = 31

const countOf = (size: number): number => Math.max(1, Math.ceil(size / pieceSize))
const sealedSize = (size: number): number => size + countOf(size) * sealing

const bindingOf = ({ tenantId, subject, mediaId, part, size }: SealedFile, index: number): SealContext => ({
  tenantId,
  subject,
  eventId: mediaId,
  field: `${part}/${index}/${countOf(size)}`,
})

/** `<tenant>/<file>/<part>`: a repeat of the same file writes the same place. */
export const storageKeyOf = (tenantId: string, mediaId: string, part: SealedFile['part']): string => `${tenantId}/${mediaId}/${part}`

/** Seals and stores. @throws when `bytes` are not exactly `size` long; then nothing is stored. */
export async function storeSealed(
  { store, vault }: { store: Pick<MediaStore, 'put'>; vault: Pick<Vault, 'ensure' | 'sealBytes'> },
  file: SealedFile,
  bytes: AsyncIterable<Uint8Array>,
): Promise<void> {
  async function* sealed(): AsyncGenerator<Uint8Array> {
    let index = 0
    for await (const piece of inPieces(bytes, () => pieceSize)) {
      if (index === countOf(file.size)) throw new Error('the file is longer than was announced')
      // Each time: while a large file comes in, the vault may forget a key that nobody else asks for.
      await vault.ensure(file.tenantId, [file.subject])
      yield vault.sealBytes(bindingOf(file, index++), piece)
    }
    if (index === 0) {
      await vault.ensure(file.tenantId, [file.subject])
      yield vault.sealBytes(bindingOf(file, 0), new Uint8Array(0))
    }
  }
  await store.put(file.storageKey, { size: sealedSize(file.size), bytes: sealed() })
}

/** The bytes, or why there are none. Erased: the key was destroyed on purpose. Missing: the store has no such file. */
export type OpenedFile = { readonly bytes: AsyncIterable<Uint8Array> } | { readonly erased: true } | { readonly missing: true }

/** Opens a range of the plain bytes. The first piece is opened before this resolves, so "erased" is an answer and not half a file. @throws SealBroken */
export async function openSealed(
  { store, vault }: { store: Pick<MediaStore, 'read'>; vault: Pick<Vault, 'openBytes'> },
  file: SealedFile,
  range: ByteRange = { from: 0, to: file.size },
): Promise<OpenedFile> {
  const first = Math.floor(range.from / pieceSize)
  const last = Math.max(first, Math.ceil(range.to / pieceSize) - 1)
  const stored = await store.read(file.storageKey, {
    from: first * (pieceSize + sealing),
    to: Math.min((last + 1) * (pieceSize + sealing), sealedSize(file.size)),
  })
  if (stored === undefined) return { missing: true }
  const lengthOf = (index: number): number => Math.min(pieceSize, file.size - (first + index) * pieceSize) + sealing
  const pieces = opened(inPieces(stored, lengthOf))
  const begin = await pieces.next()
  if (begin.done !== true && begin.value === 'erased') {
    await pieces.return(undefined)
    return { erased: true }
  }
  return { bytes: cut() }

  async function* opened(sealed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array | 'erased'> {
    let index = first
    for await (const piece of sealed) {
      const plain = await vault.openBytes(bindingOf(file, index++), piece)
      yield 'erased' in plain ? 'erased' : plain.bytes
    }
    if (index <= last) throw new SealBroken('a sealed file ends before its end')
  }

  async function* cut(): AsyncGenerator<Uint8Array> {
    let at = first * pieceSize
    try {
      for (let one = begin; one.done !== true; one = await pieces.next()) {
        // Erased while it was being read: what comes now must not look like the end of the file.
        if (one.value === 'erased') throw new SealBroken('the file was erased while it was read')
        const piece = one.value.subarray(Math.max(0, range.from - at), Math.max(0, range.to - at))
        at += one.value.length
        if (piece.length > 0) yield piece
      }
    } finally {
      await pieces.return(undefined)
    }
  }
}

/** The same bytes in pieces of the lengths asked for; the last one may be shorter. */
async function* inPieces(bytes: AsyncIterable<Uint8Array>, lengthOf: (index: number) => number): AsyncGenerator<Buffer> {
  let index = 0
  let held: Uint8Array[] = []
  let length = 0
  for await (let chunk of bytes) {
    for (let wanted = lengthOf(index) - length; chunk.length >= wanted && wanted > 0; wanted = lengthOf(index) - length) {
      yield Buffer.concat([...held, chunk.subarray(0, wanted)])
      chunk = chunk.subarray(wanted)
      held = []
      length = 0
      index++
    }
    if (chunk.length > 0) held.push(chunk)
    length += chunk.length
  }
  if (length > 0) yield Buffer.concat(held)
}
