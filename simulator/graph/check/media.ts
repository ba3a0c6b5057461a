import { GraphError } from '../../wire/graph-error.ts'
import { liveMedium, type World } from '../../world/world.ts'
import type { Fields } from '../http.ts'
import { plain } from './checks.ts'

const kb = 1024
const mb = 1024 * kb
const office = [
  'application/msword',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  'application/vnd.ms-excel',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  'application/vnd.ms-powerpoint',
  'application/vnd.openxmlformats-officedocument.presentationml.presentation',
]

/** What Meta takes, per kind. A document may be anything that can be uploaded. */
export const mediaKinds = {
  audio: { mimes: ['audio/aac', 'audio/amr', 'audio/mpeg', 'audio/mp4', 'audio/ogg', 'audio/opus'], maxBytes: 16 * mb },
  document: { mimes: ['text/plain', 'application/pdf', ...office], maxBytes: 100 * mb },
  image: { mimes: ['image/jpeg', 'image/png'], maxBytes: 5 * mb },
  // An animated sticker may have 500 kB; which of the two it is stands in the file, which is not opened here.
  sticker: { mimes: ['image/webp'], maxBytes: 500 * kb },
  video: { mimes: ['video/mp4', 'video/3gpp'], maxBytes: 16 * mb },
} as const
export type MediaKind = keyof typeof mediaKinds

export const bareMime = (mime: string): string => (mime.split(';')[0] ?? '').trim().toLowerCase()

export const kindOfMime = (mime: string): MediaKind | undefined =>
  (Object.keys(mediaKinds) as MediaKind[]).find((kind) => (mediaKinds[kind].mimes as readonly string[]).includes(bareMime(mime)))

/** Meta accepts the request first and fails it later: told by a `failed` status. */
export type LateFailure = { readonly code: number; readonly details: string }

/** `{id}` or `{link}`; the id must be a medium that has not expired. A wrong kind of file is found out late (131053). */
export function checkMedium(world: World, kind: MediaKind, object: Fields, path: string): LateFailure | undefined {
  const hasId = object['id'] !== undefined
  const hasLink = object['link'] !== undefined
  if (!hasId && !hasLink) throw plain.bad(`Param ${path} must have either an id or a link`)
  if (hasId && hasLink) throw plain.bad(`Param ${path} must have an id or a link, not both`)
  if (hasLink) {
    plain.url(object['link'], `${path}['link']`)
    return undefined
  }
  const id = plain.text(object['id'], `${path}['id']`, 100)
  const medium = liveMedium(world, id)
  if (!medium) {
    throw new GraphError(100, { message: `(#100) Param ${path}['id'] is not a valid whatsapp business account media attachment ID` })
  }
  const fits =
    kind === 'document'
      ? kindOfMime(medium.mime_type) !== undefined
      : (mediaKinds[kind].mimes as readonly string[]).includes(bareMime(medium.mime_type))
  if (!fits)
    return { code: 131053, details: `Unsupported ${kind} mime type ${medium.mime_type}. Please use one of ${mediaKinds[kind].mimes.join(', ')}.` }
  if (object['voice'] === true && bareMime(medium.mime_type) !== 'audio/ogg')
    return { code: 131053, details: 'A voice message must be audio/ogg with the OPUS codec.' }
  return undefined
}
