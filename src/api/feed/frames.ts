import { z } from 'zod'
import { alertSchema } from '../alerts/alerts.ts'
import { channelSchema } from '../channels/schema.ts'
import { change } from './changes.ts'
import { contact } from '../contacts/schema.ts'
import { conversation } from '../conversations/schema.ts'
import { storedMedia } from '../media/schema.ts'
import { rebuildSchema } from '../projections/rebuilds.ts'
import { templateSchema } from '../templates/schema.ts'
import { message } from '../messages/schema.ts'

/**
 * Every frame of the feed. asyncapi.json is generated from these schemas; the server builds its frames from their types.
 * A position says what a client has seen: everything up to it. One event of the log is one frame, except that a message is told after the conversation
 * that it changed; that snapshot stands at the place before the message, so a client that is cut off between the two gets it again and never misses
 * the message (ADR 0013).
 */
const position = z
  .string()
  .regex(/^\d{1,20}$/)
  .meta({ description: 'A place in the log: opaque, and ordered as text' })

/** Longest first frame that is read, in bytes. */
export const longestClientFrame = 16 * 1024

export const feedTypes = [
  'message.received',
  'message.queued',
  'message.status',
  'message.reaction',
  'message.edited',
  'message.revoked',
  'conversation.created',
  'conversation.updated',
  'conversation.read',
  'contact.created',
  'contact.updated',
  'channel.updated',
  'media.stored',
  'template.updated',
  'alert.raised',
  'alert.resolved',
  'projection.progress',
] as const
export type FeedType = (typeof feedTypes)[number]

export const authFrame = z
  .looseObject({
    type: z.literal('auth'),
    token: z.string().min(1).max(8192).meta({ description: 'An API key with the scope feed:read' }),
    after: position.nullish().meta({ description: 'The position of the last frame that was seen: what came after it is sent first' }),
    topics: z
      .array(z.string().max(100))
      .max(100)
      .nullish()
      .meta({ description: 'Only these types, or families of types such as `message` or `message.*`; all that the key may read when absent' }),
    tenant: z.string().max(200).nullish().meta({ description: 'For the platform operator: slug or id of the tenant' }),
  })
  .meta({ id: 'AuthFrame' })

export const helloFrame = z
  .object({ type: z.literal('hello'), position: position.meta({ description: 'Everything after this position follows' }) })
  .meta({ id: 'HelloFrame' })

export const resyncFrame = z
  .object({
    type: z.literal('resync'),
    position: position.meta({ description: 'Reload by the query API now; everything after this position follows' }),
  })
  .meta({ id: 'ResyncFrame' })

/** Why the server closes, and the close code that goes with it. */
export const closeCodes = {
  unauthorized: 4401,
  forbidden: 4403,
  tenant_suspended: 4403,
  tenant_required: 4400,
  invalid_frame: 4400,
  auth_timeout: 4408,
  rate_limited: 4429,
} as const

export const errorFrame = z
  .object({ type: z.literal('error'), code: z.enum(Object.keys(closeCodes) as (keyof typeof closeCodes)[]) })
  .meta({ id: 'ErrorFrame' })

const statusChange = z
  .object({
    id: z.string().meta({ description: "The message's id" }),
    conversation_id: z.string(),
    status: z.string(),
    at: z.string(),
    provider_id: z.string().optional(),
    error: message.shape.error,
  })
  .meta({ id: 'MessageStatus' })
export type StatusChange = z.infer<typeof statusChange>

const withConversation = message
  .extend({ conversation: conversation.optional() })
  .meta({ id: 'MessageInConversation', description: 'The message, and its conversation after it (for keys with conversations:read)' })
export type MessageInConversation = z.infer<typeof withConversation>

const withChange = withConversation
  .extend({ change })
  .meta({ id: 'ChangedMessage', description: 'The message as it is now, and what was done to it' })

const channel = z
  .union([channelSchema, z.object({ id: z.string(), removed: z.literal(true) })])
  .meta({ id: 'ChannelChange', description: 'The channel as it is now, or that it is gone' })

const template = z
  .union([templateSchema, z.object({ id: z.string(), removed: z.literal(true) })])
  .meta({ id: 'TemplateChange', description: 'The template as it is now, or that it is gone' })

const { kind, projections, tenant_id, state, events_done, events_total, events_per_second, eta_seconds, error } = rebuildSchema.shape
const figures = { events_done, events_total, events_per_second, eta_seconds, error }

const rebuildProgress = z
  .object({
    rebuild_id: z.string(),
    kind,
    projections,
    tenant_id,
    state,
    percent: z.number().int().min(0).max(100).nullable().meta({ description: 'Of the events to copy; null while nobody has counted them' }),
    ...z.object(figures).partial().shape,
  })
  .meta({ id: 'RebuildProgress', description: 'How far a rebuild is. Without figures where they would be those of all organisations' })
export type RebuildProgress = z.infer<typeof rebuildProgress>

/** What each type carries. */
const payloads = {
  'message.received': withConversation,
  'message.queued': withConversation,
  'message.status': statusChange,
  'message.reaction': withChange,
  'message.edited': withChange,
  'message.revoked': withChange,
  'conversation.created': conversation,
  'conversation.updated': conversation,
  'conversation.read': conversation,
  'contact.created': contact,
  'contact.updated': contact,
  'channel.updated': channel,
  'media.stored': storedMedia,
  'template.updated': template,
  'alert.raised': alertSchema,
  'alert.resolved': alertSchema,
  'projection.progress': rebuildProgress,
} as const satisfies Record<FeedType, z.ZodType>

/** The frame of one type. `id` is that of the event in the log, or derived from what is told: the same on every resume, on every process. */
export const eventFrame = (type: FeedType): z.ZodType =>
  z.object({ id: z.uuid(), type: z.literal(type), position, occurred_at: z.iso.datetime(), data: payloads[type] })

export type ServerNote = z.infer<typeof helloFrame> | z.infer<typeof resyncFrame> | z.infer<typeof errorFrame>
export type ErrorCode = keyof typeof closeCodes
