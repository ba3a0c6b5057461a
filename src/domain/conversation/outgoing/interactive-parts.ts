import { z } from 'zod'
import { link, text } from './fields.ts'
import { namedFile, plainFile } from './media.ts'

export const body = (max = 1024) => z.strictObject({ text: text(max) })
export const footer = z.strictObject({ text: text(60) }).optional()

export const textHeader = z.strictObject({ type: z.literal('text'), text: text(60) })
const imageHeader = z.strictObject({ type: z.literal('image'), image: plainFile })
const videoHeader = z.strictObject({ type: z.literal('video'), video: plainFile })

const header = z.discriminatedUnion('type', [
  textHeader,
  imageHeader,
  videoHeader,
  z.strictObject({ type: z.literal('document'), document: namedFile }),
])
export const pictureHeader = z.discriminatedUnion('type', [imageHeader, videoHeader])

/** What most kinds have around their action. */
export const frame = { header: header.optional(), body: body(), footer }

export const urlAction = z.strictObject({
  name: z.literal('cta_url'),
  parameters: z.strictObject({ display_text: text(20), url: link }),
})

export const productId = text(100)
