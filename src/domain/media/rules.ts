/**
 * What WhatsApp takes, by the type of the message (Meta's table of October 2026). A document may be any type that it takes at all.
 * Checked at the upload and again when a message is queued: Meta itself says it only minutes later, with the failed message (131053).
 */
const kB = 1024
const MB = 1024 * kB

export type MediaKind = 'audio' | 'document' | 'image' | 'sticker' | 'video'

const office = [
  'application/msword',
  'application/vnd.ms-excel',
  'application/vnd.ms-powerpoint',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  'application/vnd.openxmlformats-officedocument.presentationml.presentation',
]

const mediaRules: Readonly<Record<MediaKind, { readonly mimeTypes: readonly string[]; readonly maxBytes: number }>> = {
  audio: { mimeTypes: ['audio/aac', 'audio/amr', 'audio/mpeg', 'audio/mp4', 'audio/ogg'], maxBytes: 16 * MB },
  image: { mimeTypes: ['image/jpeg', 'image/png'], maxBytes: 5 * MB },
  // 100 kB when it does not move, which is Meta's to find out: how the frames of a WebP are told apart is not worth a decoder here.
  sticker: { mimeTypes: ['image/webp'], maxBytes: 500 * kB },
  video: { mimeTypes: ['video/mp4', 'video/3gpp'], maxBytes: 16 * MB },
  document: { mimeTypes: ['text/plain', 'application/pdf', ...office], maxBytes: 100 * MB },
}

export const isMediaKind = (type: string): type is MediaKind => Object.hasOwn(mediaRules, type)

/** No file is larger than the largest document, in either direction. */
export const largestFile = mediaRules.document.maxBytes

/** `audio/ogg; codecs=opus` → `audio/ogg`. */
export const bareMimeType = (mimeType: string): string => (mimeType.split(';')[0] ?? '').trim().toLowerCase()

/** The kind that a file is sent as when it is sent as what it is. */
const kindOf = (mimeType: string): MediaKind | undefined =>
  (Object.keys(mediaRules) as MediaKind[]).find((kind) => mediaRules[kind].mimeTypes.includes(bareMimeType(mimeType)))

/** Recordings of a browser (Chromium: WebM) and plain sound: WhatsApp does not take them, but they can be made into a voice note. */
const convertible = ['audio/webm', 'audio/wav', 'audio/x-wav', 'audio/vnd.wave', 'audio/flac', 'audio/x-flac']
export const isConvertible = (mimeType: string): boolean => convertible.includes(bareMimeType(mimeType))

export type Unfit = { readonly code: 'media_type' | 'media_size'; readonly message: string }

const inMegabytes = (bytes: number): string => (bytes < MB ? `${Math.round(bytes / kB)} kB` : `${Math.round(bytes / MB)} MB`)

/** Why a file cannot be sent as a message of that type; undefined when it can. */
export function unfitFor(kind: MediaKind, { mimeType, size }: { mimeType: string; size: number }): Unfit | undefined {
  const { mimeTypes, maxBytes } = mediaRules[kind]
  const bare = bareMimeType(mimeType)
  const taken = kind === 'document' ? kindOf(bare) !== undefined : mimeTypes.includes(bare)
  if (!taken) return { code: 'media_type', message: `A file of type ${bare} cannot be sent as ${kind}: WhatsApp takes ${mimeTypes.join(', ')}.` }
  if (size > maxBytes) return { code: 'media_size', message: `The file is larger than the ${inMegabytes(maxBytes)} that WhatsApp takes as ${kind}.` }
  return undefined
}

/** Why a file cannot be uploaded at all. `canConvert`: there is something that makes voice notes of other sounds. */
export function unfitForUpload(file: { mimeType: string; size: number }, canConvert: boolean): Unfit | undefined {
  if (canConvert && isConvertible(file.mimeType))
    return file.size > mediaRules.audio.maxBytes ? unfitFor('audio', { ...file, mimeType: 'audio/ogg' }) : undefined
  const kind = kindOf(file.mimeType)
  if (kind !== undefined) return unfitFor(kind, file)
  const all = Object.values(mediaRules).flatMap(({ mimeTypes }) => mimeTypes)
  return { code: 'media_type', message: `WhatsApp takes no files of type ${bareMimeType(file.mimeType)}, only ${all.join(', ')}.` }
}
