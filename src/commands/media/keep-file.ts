import type { Vault } from '../../domain/kernel/vault.ts'
import type { Store } from '../../domain/media/media.ts'
import type { MediaStore } from '../ports/media-store.ts'
import { isVoiceNote, mimeTypeOf, pictureOf } from './inspect.ts'
import { storageKeyOf, storeSealed } from './sealed-file.ts'
import type { Spooled } from './spool.ts'

/** Larger pictures get no thumbnail: sharp wants them whole in memory. */
const largestPicture = 20 * 1024 * 1024
const pictures = ['image/jpeg', 'image/png', 'image/webp', 'image/gif', 'image/avif', 'image/tiff']

export type Keeping = {
  readonly tenantId: string
  readonly mediaId: string
  readonly subject: string
  readonly mimeType?: string | undefined
  readonly filename?: string | undefined
}

/**
 * A file that came in, sealed into the media store with its thumbnail; what is left to do is to say so in the log. Nothing refers to it before that:
 * what a crash leaves in between is written over by the next try, which has the same keys.
 */
export async function keepFile(
  deps: { store: Pick<MediaStore, 'put'>; vault: Pick<Vault, 'ensure' | 'sealBytes'> },
  file: Spooled,
  { tenantId, mediaId, subject, filename, mimeType: declared }: Keeping,
): Promise<Store> {
  const mimeType = await mimeTypeOf(file.head, declared)
  const storageKey = storageKeyOf(tenantId, mediaId, 'file')
  const owner = { tenantId, subject, mediaId }
  await storeSealed(deps, { ...owner, part: 'file', storageKey, size: file.size }, file.bytes())
  const picture = pictures.includes(mimeType) && file.size <= largestPicture ? await pictureOf(await whole(file)) : undefined
  const stored = { type: 'store', storageKey, mimeType, size: file.size, sha256: file.sha256 } as const
  const more = { ...(filename === undefined ? {} : { filename }), ...(isVoiceNote(file.head) ? { voice: true } : {}) }
  if (picture === undefined) return { ...stored, ...more }
  const { width, height, thumbnail } = picture
  const thumbnailKey = storageKeyOf(tenantId, mediaId, 'thumbnail')
  await storeSealed(deps, { ...owner, part: 'thumbnail', storageKey: thumbnailKey, size: thumbnail.length }, once(thumbnail))
  return { ...stored, ...more, thumbnailKey, thumbnailSize: thumbnail.length, width, height }
}

async function whole(file: Spooled): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of file.bytes()) pieces.push(piece)
  return Buffer.concat(pieces)
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
