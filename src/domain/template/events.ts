import { z } from 'zod'

/** Meta's states of a template, and `SUBMITTING` until Meta has answered the first time. Others that Meta may invent are kept as they come. */
export const templateStatuses = [
  'SUBMITTING',
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

/** A message template of a business account, one stream per (account, name, language). `providerId` is text: it does not fit a double. */
export const templateEvent = z.discriminatedUnion('type', [
  /** Somebody here asks Meta for it. */
  z.object({ type: z.literal('TemplateSubmitted'), wabaId: z.string(), name: z.string(), language: z.string(), definition }),
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
  z.object({ type: z.literal('TemplateEdited'), definition }),
  z.object({ type: z.literal('TemplateQualityChanged'), quality: z.string(), at: z.iso.datetime() }),
  /** `upcoming`: Meta announced it for `from`; without `from` it has happened. */
  z.object({ type: z.literal('TemplateCategoryChanged'), category: z.string(), from: z.iso.datetime().optional(), at: z.iso.datetime() }),
  z.object({ type: z.literal('TemplateDeleted') }),
])
export type TemplateEvent = z.infer<typeof templateEvent>
