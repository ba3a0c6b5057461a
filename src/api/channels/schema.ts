import { z } from 'zod'
import { line, time } from '../http/fields.ts'

export const channelSchema = z
  .object({
    id: z.string(),
    kind: z.enum(['business', 'lite']),
    name: z.string(),
    status: z.enum(['pending', 'connecting', 'connected', 'degraded', 'disconnected', 'logged_out', 'suspended']),
    phone: z.string().nullable().meta({ description: 'E.164, once the provider has named it' }),
    phone_number_id: z.string().optional(),
    waba_id: z.string().optional(),
    verified_name: z.string().optional(),
    quality_rating: z.string().optional(),
    throughput: z.string().optional(),
    messaging_limit: z.string().optional(),
    number: z
      .object({
        status: z.string(),
        name_status: z.string(),
        new_name_status: z.string().meta({ description: 'Of a display name that was asked for' }),
        platform_type: z.string(),
        code_verification_status: z.string(),
        account_mode: z.string(),
        on_business_app: z.boolean().meta({ description: 'Coexistence: the number is also on a phone with the WhatsApp Business app' }),
        official_account: z.boolean(),
        pin_enabled: z.boolean(),
        username: z.string(),
      })
      .partial()
      .optional()
      .meta({ description: 'Registration of the number, as Meta says it' }),
    capabilities: z.array(z.string()).meta({ description: 'The kinds of message that can be sent through it' }),
    last_error: z.object({ code: z.string(), title: z.string(), detail: z.string().optional(), at: time }).optional(),
    webhook_path: z.string().meta({ description: 'Where the Meta app behind it sends its webhooks' }),
    created_at: time,
    updated_at: time,
    version: z.int(),
  })
  .meta({ id: 'Channel' })

/** Digits at Meta; a stand-in for Meta may call its numbers as it likes. */
export const metaId = z.string().regex(/^[\w.-]{1,64}$/, 'must be the id that Meta shows, without blanks')
/** Meta's tokens and secrets are printable ASCII; a pasted line break is the usual mistake. */
export const credential = z
  .string()
  .trim()
  .regex(/^[\x21-\x7e]{1,2048}$/, 'must be 1 to 2048 characters without blanks')
export const channelName = line(100)

const business = z.strictObject({
  kind: z.literal('business'),
  name: channelName,
  phone_number_id: metaId,
  waba_id: metaId,
  access_token: credential,
  app_secret: credential.optional().meta({ description: 'Of the own Meta app, if the number does not use the app of this installation' }),
  verify: z.boolean().default(true).meta({ description: 'false: do not ask the provider' }),
})
const lite = z.strictObject({ kind: z.literal('lite'), name: channelName })
export const newChannel = z.discriminatedUnion('kind', [business, lite])

export const channelPatch = z.strictObject({
  name: channelName.optional(),
  access_token: credential.optional(),
  app_secret: credential.optional(),
  verify: z.boolean().default(true),
})

export const checkSchema = z.object({
  ok: z.boolean(),
  channel: channelSchema,
  error: z.object({ code: z.string(), title: z.string(), detail: z.string() }).optional(),
})
