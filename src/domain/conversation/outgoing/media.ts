import { z } from 'zod'
import { link, optionalText, text } from './fields.ts'

/** A file by an id (Meta's, or that of `POST /v1/media`) or by a link that Meta fetches: exactly one of the two. */
const media = <Extra extends z.ZodRawShape>(extra: Extra) =>
  z
    .strictObject({ id: text(200).optional(), link: link.optional(), ...extra })
    .refine((file: { id?: unknown; link?: unknown }) => (file.id === undefined) !== (file.link === undefined), 'Give either `id` or `link`.')

const caption = optionalText(1024)
const filename = text(240).optional()

export const image = media({ caption })
export const video = media({ caption })
/** `voice`: shown as a voice message, which has to be Ogg/Opus. */
export const audio = media({ voice: z.boolean().optional() })
export const document = media({ caption, filename })
export const sticker = media({})

/** Files above a message or within a template have no caption. */
export const plainFile = media({})
export const namedFile = media({ filename })
