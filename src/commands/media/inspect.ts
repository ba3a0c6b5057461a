import { bareMimeType } from '../../domain/media/rules.ts'

/** What bytes say of themselves; undefined for what has no signature (plain text, say). The library is loaded with the first file. */
async function detectMimeType(head: Uint8Array): Promise<string | undefined> {
  const { fileTypeFromBuffer } = await import('file-type/core')
  // A damaged container ends in an exception; it is no reason not to keep the file.
  const found = await fileTypeFromBuffer(head).catch(() => undefined)
  return found?.mime
}

/** Types whose signature is that of their container: what was declared says more than what can be seen. */
const containers: Readonly<Record<string, readonly string[]>> = {
  'application/zip': ['application/vnd.openxmlformats-officedocument.', 'application/zip', 'application/epub+zip', 'application/vnd.oasis.'],
  'application/x-cfb': ['application/msword', 'application/vnd.ms-'],
  'video/mp4': ['audio/mp4', 'video/mp4', 'video/quicktime'],
  'audio/x-m4a': ['audio/mp4', 'audio/aac', 'audio/x-m4a'],
  'video/webm': ['audio/webm', 'video/webm'],
  'audio/ogg': ['audio/ogg', 'audio/opus'],
  'video/3gpp': ['video/3gpp', 'audio/3gpp'],
}
/** One name for what has several. */
const aliases: Readonly<Record<string, string>> = { 'audio/x-m4a': 'audio/mp4', 'audio/opus': 'audio/ogg', 'image/jpg': 'image/jpeg' }

const looksLikeText = (head: Uint8Array): boolean => !head.includes(0)

/** Types that always have a signature: without one the file is not what it says. */
const signed = /^(?:image|video|audio)\/(?!svg|x-ms-bmp|aac$)|^application\/pdf$/

/**
 * The type of a file: by its content, and by what was declared where the content leaves it open. What says that it is a picture and is none
 * becomes `application/octet-stream`, which browsers save and never show.
 */
export async function mimeTypeOf(head: Uint8Array, declared: string | undefined): Promise<string> {
  const said = declared === undefined ? undefined : bareMimeType(declared)
  const detected = await detectMimeType(head)
  const seen = detected === undefined ? undefined : bareMimeType(detected)
  if (seen !== undefined) {
    const agrees = said !== undefined && containers[seen]?.some((prefix) => said.startsWith(prefix)) === true
    const type = agrees ? said : seen
    return aliases[type] ?? type
  }
  if (said === undefined || signed.test(said)) return 'application/octet-stream'
  if (said.startsWith('text/')) return looksLikeText(head) ? 'text/plain' : 'application/octet-stream'
  return /^[a-z]+\/[a-z0-9.+-]{1,100}$/.test(said) ? (aliases[said] ?? said) : 'application/octet-stream'
}

/** Ogg whose first packet is an Opus header with one channel (RFC 7845, 5.1): what WhatsApp shows as a voice note. */
export function isVoiceNote(head: Uint8Array): boolean {
  const bytes = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, 512))
  const at = bytes.indexOf('OpusHead')
  return bytes.subarray(0, 4).toString('latin1') === 'OggS' && at > 0 && bytes[at + 9] === 1
}

export type Picture = { readonly width: number; readonly height: number; readonly thumbnail: Buffer }

/** Above, decoding could take hundreds of megabytes: a bomb of a few kB unpacks to any size. */
const maxPixels = 50_000_000
const thumbnailEdge = 480

/** Size and a small picture; undefined for what sharp cannot read, which is no mistake of ours. libvips is loaded with the first picture (15 MB). */
export async function pictureOf(bytes: Buffer): Promise<Picture | undefined> {
  try {
    const { default: sharp } = await import('sharp')
    // One thread and no cache: thumbnails are made beside everything else that this process does.
    sharp.concurrency(1)
    sharp.cache(false)
    const image = sharp(bytes, { limitInputPixels: maxPixels, failOn: 'error' })
    const { autoOrient } = await image.metadata()
    const thumbnail = await image
      .autoOrient()
      .resize(thumbnailEdge, thumbnailEdge, { fit: 'inside', withoutEnlargement: true })
      .webp({ quality: 75 })
      .toBuffer()
    return { width: autoOrient.width, height: autoOrient.height, thumbnail }
  } catch {
    return undefined
  }
}
