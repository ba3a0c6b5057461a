import { z } from 'zod'

/**
 * Meta's states of a template, and three of ours: `SUBMITTING` until Meta has answered the first time, `FAILED` when Meta did not take it at all, and
 * `UNKNOWN` when Meta named it without saying how it is. Others that Meta may invent are kept as they come.
 */
export const templateStatuses = [
  'SUBMITTING',
  'FAILED',
  'UNKNOWN',
  'APPROVED',
  'PENDING',
  'REJECTED',
  'PAUSED',
  'DISABLED',
  'IN_APPEAL',
  'PENDING_DELETION',
  'DELETED',
  'LIMIT_EXCEEDED',
  'ARCHIVED',
] as const

/** What a template says and needs, as Meta lists it. No personal data: it is the same text for everybody, variables unfilled. */
const definition = z.object({
  category: z.string(),
  parameterFormat: z.enum(['positional', 'named']),
  components: z.array(z.json()),
  messageSendTtlSeconds: z.number().int().optional(),
})
export type TemplateDefinition = z.infer<typeof definition>

/**
 * A message template of a business account, one stream per (account, name, language). `providerId` is text: it does not fit a double.
 * `at` is when Meta said it, or when it was asked: what is told late must not overwrite what is known to be newer.
 */
export const templateEvent = z.discriminatedUnion('type', [
  /** Somebody here asks Meta for it. */
  z.object({
    type: z.literal('TemplateSubmitted'),
    wabaId: z.string(),
    name: z.string(),
    language: z.string(),
    definition,
    at: z.iso.datetime(),
  }),
  /** Meta told of one that we do not have (made elsewhere, or made anew under another id). What it says has to be fetched. */
  z.object({
    type: z.literal('TemplateHeardOf'),
    wabaId: z.string(),
    name: z.string(),
    language: z.string(),
    providerId: z.string().optional(),
    category: z.string().optional(),
    at: z.iso.datetime(),
  }),
  /** What Meta's list shows, where it differs from what was known. */
  z.object({
    type: z.literal('TemplateSynced'),
    wabaId: z.string(),
    name: z.string(),
    language: z.string(),
    providerId: z.string(),
    status: z.string(),
    definition,
    quality: z.string().optional(),
    rejectedReason: z.string().optional(),
    at: z.iso.datetime(),
  }),
  z.object({
    type: z.literal('TemplateStatusChanged'),
    status: z.string(),
    providerId: z.string().optional(),
    reason: z.string().optional(),
    detail: z.string().optional(),
    at: z.iso.datetime(),
  }),
  z.object({ type: z.literal('TemplateSubmissionFailed'), error: z.object({ code: z.string(), title: z.string(), detail: z.string().optional() }) }),
  /** Meta took a new wording; `status` is what it is in from then on, usually PENDING. */
  z.object({ type: z.literal('TemplateEdited'), definition, status: z.string(), at: z.iso.datetime() }),
  z.object({ type: z.literal('TemplateQualityChanged'), quality: z.string(), at: z.iso.datetime() }),
  /** With `from`: Meta announced it for then; without it has happened. */
  z.object({ type: z.literal('TemplateCategoryChanged'), category: z.string(), from: z.iso.datetime().optional(), at: z.iso.datetime() }),
  z.object({ type: z.literal('TemplateDeleted'), at: z.iso.datetime() }),
])
export type TemplateEvent = z.infer<typeof templateEvent>
