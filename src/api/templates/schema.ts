import { z } from 'zod'
import { defaultLanguages } from '../../domain/template/defaults.ts'
import { templateCategories, templateLanguage, templateName } from '../../domain/template/definition.ts'
import { templateStatuses } from '../../domain/template/events.ts'
import { time } from '../http/fields.ts'

const component = z.looseObject({ type: z.string() })

export const templateSchema = z
  .object({
    id: z.string(),
    waba_id: z.string().meta({ description: 'The business account it belongs to: every channel of the account can send it' }),
    channel_ids: z.array(z.string()),
    name: z.string(),
    language: z.string(),
    status: z.string().meta({
      description: `Meta's status, or one of ours: ${templateStatuses.slice(0, 3).join(', ')}. Only APPROVED can be sent`,
      examples: ['APPROVED'],
    }),
    category: z.string().nullable(),
    parameter_format: z.enum(['positional', 'named']),
    components: z.array(z.looseObject({})).nullable().meta({ description: "Meta's components; null until they were read from Meta" }),
    message_send_ttl_seconds: z.int().optional(),
    provider_id: z.string().optional(),
    quality: z.string().optional(),
    reason: z.string().optional().meta({ description: 'Why it was rejected, paused or disabled, in the word of Meta' }),
    detail: z.string().optional(),
    upcoming_category: z.object({ category: z.string(), from: time }).optional().meta({ description: 'A change of category that Meta announced' }),
    error: z.object({ code: z.string(), title: z.string(), detail: z.string().optional() }).optional(),
    created_at: time,
    updated_at: time,
    version: z.int(),
  })
  .meta({ id: 'Template' })

/** Meta writes it in capitals in its answers and in small letters in its requests. */
const parameterFormat = z.preprocess((value) => (typeof value === 'string' ? value.toLowerCase() : value), z.enum(['positional', 'named']))
const ttl = z.int().meta({ description: 'How long Meta tries to deliver, in seconds; -1 is 30 days (not for marketing)' })
const components = z.array(component).min(1).max(10).meta({
  description:
    "Meta's components with their examples. Where Meta wants the handle of a sample (`example.header_handle` of a media header), the id of a file uploaded by POST /v1/media will do: Recado gets the handle",
})

export const newTemplate = z.strictObject({
  channel_id: z.uuid().meta({ description: 'A channel of the account that gets the template' }),
  name: templateName,
  language: templateLanguage,
  category: z.enum(templateCategories),
  components,
  parameter_format: parameterFormat.optional(),
  message_send_ttl_seconds: ttl.optional(),
})

export const templatePatch = z
  .strictObject({ category: z.enum(templateCategories).optional(), components: components.optional(), message_send_ttl_seconds: ttl.optional() })
  .refine((patch) => Object.keys(patch).length > 0, 'names nothing to change')

const fact = { waba_id: z.string() }
export const syncedSchema = z.object({
  accounts: z.array(
    z.union([
      z.object({ ...fact, templates: z.int(), changed: z.int(), removed: z.int() }),
      z.object({ ...fact, error: z.object({ code: z.string(), detail: z.string().optional() }) }),
    ]),
  ),
})

export const previewRequest = z.strictObject({
  components: z
    .array(z.looseObject({ type: z.string() }))
    .max(20)
    .optional()
    .meta({ description: "Meta's `components` of a send body" }),
  parameters: z
    .union([z.array(z.string().max(1024)).max(100), z.record(z.string().max(100), z.string().max(1024))])
    .optional()
    .meta({ description: 'Short for texts of header and body: a list by place (of the body), or values by name' }),
})

const button = z.object({
  type: z.string(),
  text: z.string(),
  url: z.string().optional(),
  phone_number: z.string().optional(),
  code: z.string().optional(),
})
const card = z.object({
  header: z.object({ format: z.string(), text: z.string().optional(), media: z.unknown().optional() }).optional(),
  body: z.string().optional(),
  buttons: z.array(button),
})
export const previewSchema = card
  .extend({
    footer: z.string().optional(),
    cards: z.array(card).optional(),
    sendable: z.boolean().meta({ description: 'Whether it could be sent like this now' }),
    mistakes: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .meta({ description: "What is missing or wrong, by its place in Meta's object" }),
  })
  .meta({ id: 'TemplatePreview' })

const language = z.enum(defaultLanguages)
export const defaultSchema = z.object({
  name: z.string(),
  category: z.string(),
  about: z.string(),
  languages: z.array(z.object({ language, components: z.array(z.looseObject({})), preview: z.string() })),
})
export const adoption = z.strictObject({ channel_id: z.uuid(), languages: z.array(language).min(1).optional() })
export const adoptedSchema = z.object({
  data: z.array(
    z.object({
      language,
      template: templateSchema.optional(),
      error: z.object({ code: z.string(), detail: z.string().optional() }).optional(),
    }),
  ),
})
