import { z } from 'zod'
import { secret } from '../kernel/secret.ts'

export const providerStatuses = ['sent', 'delivered', 'read', 'played', 'failed'] as const
export type ProviderStatus = (typeof providerStatuses)[number]

/** Meta's error, and what Recado makes of it (`code` is stable and documented). */
const messageError = z.object({
  code: z.string(),
  title: z.string(),
  detail: z.string().optional(),
  retryable: z.boolean(),
  providerError: z.json().optional(),
})
export type MessageError = z.infer<typeof messageError>

const sender = z.object({
  kind: z.enum(['user', 'api', 'automation', 'campaign', 'bot', 'phone']),
  id: z.string().optional(),
  name: z.string().optional(),
})
const priorities = ['agent', 'automation', 'campaign'] as const

/**
 * What happens between one contact and one channel. `content` is the JSON text of `{"<type>": <Meta's object>}`, sealed under the contact's key.
 * Times of the provider (`at`) are the provider's; the envelope's are ours.
 */
export const conversationEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ConversationStarted'), channelId: z.string(), contactId: z.string(), by: z.enum(['inbound', 'outbound']) }),
  z.object({
    type: z.literal('MessageReceived'),
    messageId: z.string(),
    channelId: z.string(),
    contactId: z.string(),
    providerId: z.string(),
    messageType: z.string(),
    content: secret,
    /** The provider's object, sealed, where the type is not (yet) one of ours. */
    raw: secret.optional(),
    replyTo: z.object({ providerId: z.string() }).optional(),
    at: z.iso.datetime(),
  }),
  z.object({
    type: z.literal('MessageQueued'),
    messageId: z.string(),
    channelId: z.string(),
    contactId: z.string(),
    messageType: z.string(),
    content: secret,
    replyTo: z.object({ providerId: z.string() }).optional(),
    sentBy: sender,
    priority: z.enum(priorities),
  }),
  /** Recorded before the provider is called. Without a result event after it, nobody knows whether the call left. */
  z.object({ type: z.literal('SendAttempted'), messageId: z.string(), attempt: z.number().int().min(1) }),
  /** The provider took it: it has the provider's id from here on and counts as sent. */
  z.object({ type: z.literal('SendAccepted'), messageId: z.string(), attempt: z.number().int(), providerId: z.string() }),
  z.object({ type: z.literal('SendDeferred'), messageId: z.string(), attempt: z.number().int(), error: messageError, retryAt: z.iso.datetime() }),
  z.object({ type: z.literal('SendFailed'), messageId: z.string(), attempt: z.number().int(), error: messageError }),
  /** The call may or may not have reached the provider (time-out, crash). Never sent again silently. */
  z.object({ type: z.literal('SendOutcomeUnknown'), messageId: z.string(), attempt: z.number().int(), reason: z.string() }),
  z.object({ type: z.literal('SendRetried'), messageId: z.string() }),
  /**
   * The first report of this status for this message, in whatever order they come: read models show the furthest one (`statusRank`), so any
   * interleaving ends the same. `providerId` resolves an unknown outcome.
   */
  z.object({
    type: z.literal('MessageStatusChanged'),
    messageId: z.string(),
    providerId: z.string(),
    status: z.enum(providerStatuses),
    at: z.iso.datetime(),
    error: messageError.optional(),
    pricing: z.json().optional(),
  }),
  /** Everything up to and including this message was seen; `unread` is what is left after it. */
  z.object({ type: z.literal('ConversationRead'), throughMessageId: z.string(), unread: z.number().int() }),
  z.object({ type: z.literal('ConversationReopened'), by: z.enum(['inbound', 'agent', 'timer']) }),
  z.object({ type: z.literal('ConversationMarkedPending') }),
  z.object({ type: z.literal('ConversationSnoozed'), until: z.iso.datetime() }),
  z.object({ type: z.literal('ConversationResolved') }),
])
export type ConversationEvent = z.infer<typeof conversationEvent>
export type Sender = z.infer<typeof sender>
export type Priority = (typeof priorities)[number]
