import { z } from 'zod'
import { text } from './fields.ts'

const isEmoji = (value: string): boolean => /^\p{RGI_Emoji}$/v.test(value)
const asPicture = '\uFE0F'

/** One emoji, or nothing to take the reaction back. Keyboards leave out the selector that makes a picture of ❤ or ☺; Meta wants it. */
const emoji = z
  .string()
  .transform((value) => (value !== '' && !isEmoji(value) && isEmoji(value + asPicture) ? value + asPicture : value))
  .refine((value) => value === '' || isEmoji(value), 'must be one emoji, or empty to take the reaction back')
  .meta({ type: 'string' })

/** `message_id`: the message it stands on, by Meta's id or ours. */
export const reaction = z.strictObject({ message_id: text(512), emoji })
