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
  /** All of them, where the provider named more than one. */
  providerErrors: z.array(z.json()).optional(),
})
export type MessageError = z.infer<typeof messageError>

const sender = z.object({
  kind: z.enum(['user', 'api', 'automation', 'campaign', 'bot', 'phone']),
  id: z.string().optional(),
  name: z.string().optional(),
})
/** Who put a reaction: the customer, or one of ours. */
const reactor = z.object({
  kind: z.enum(['contact', 'user', 'api', 'automation', 'campaign', 'bot', 'phone']),
  id: z.string().optional(),
  name: z.string().optional(),
})

/** A file as the provider describes it; no personal data (its name and caption are in the content). */
const mediaReference = z.object({ providerId: z.string(), kind: z.string(), mimeType: z.string().optional(), sha256: z.string().optional() })

const priorities = ['agent', 'automation', 'campaign'] as const

/** What the provider gave as the time, where it is not `at`: that is never later than when we got it. Text, for it may be no time at all. */
const claimedAt = z.string().optional()

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
    media: mediaReference.optional(),
    /** The customer came from an advertisement: where the 72-hour entry point may begin. */
    entryPoint: z.object({ sourceType: z.string(), sourceId: z.string().optional(), clickId: z.string().optional() }).optional(),
    at: z.iso.datetime(),
    claimedAt,
  }),
  /**
   * A message that went by without us: written on the phone of a coexistence number (`phone`), or older than the connection (`history`).
   * It is part of the thread; it counts as unread for nobody, wakes nothing and does not open the service window.
   */
  z.object({
    type: z.literal('MessageRecorded'),
    messageId: z.string(),
    channelId: z.string(),
    contactId: z.string(),
    origin: z.enum(['phone', 'history']),
    direction: z.enum(['inbound', 'outbound']),
    providerId: z.string(),
    messageType: z.string(),
    content: secret,
    raw: secret.optional(),
    replyTo: z.object({ providerId: z.string() }).optional(),
    media: mediaReference.optional(),
    /** Of outbound ones, what history says became of it. */
    status: z.enum(providerStatuses).optional(),
    at: z.iso.datetime(),
    claimedAt,
  }),
  /** What history had left out (`media_placeholder`) came after it: from here on this is what the message says. */
  z.object({
    type: z.literal('MessageCompleted'),
    messageId: z.string(),
    channelId: z.string(),
    contactId: z.string(),
    providerId: z.string(),
    messageType: z.string(),
    content: secret,
    raw: secret.optional(),
    media: mediaReference.optional(),
  }),
  /** An echo had overtaken the answer to our own call: what was recorded as `messageId` is our message `as`, and no message of its own. */
  z.object({ type: z.literal('EchoRecognised'), messageId: z.string(), as: z.string(), providerId: z.string() }),
  /** On, or without `emoji` off. `targetId` is the provider's id of the message it stands on, which may be unknown here or still to come. */
  z.object({
    type: z.literal('MessageReacted'),
    channelId: z.string(),
    contactId: z.string(),
    targetId: z.string(),
    /** The provider's id of the reaction itself; ours where the provider never had one. */
    providerId: z.string(),
    by: reactor,
    emoji: secret.optional(),
    at: z.iso.datetime(),
  }),
  z.object({
    type: z.literal('MessageEdited'),
    channelId: z.string(),
    contactId: z.string(),
    targetId: z.string(),
    providerId: z.string(),
    messageType: z.string(),
    content: secret,
    at: z.iso.datetime(),
  }),
  z.object({
    type: z.literal('MessageRevoked'),
    channelId: z.string(),
    contactId: z.string(),
    targetId: z.string(),
    providerId: z.string(),
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
    /** A reaction is sent like a message and shown on this one (the provider's id). */
    reactsTo: z.string().optional(),
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
  /** Somebody, or the tenant's policy, decided what became of a message whose outcome is unknown; or gave up one that failed. */
  z.object({
    type: z.literal('SendResolved'),
    messageId: z.string(),
    as: z.enum(['sent', 'failed']),
    by: z.enum(['person', 'policy']),
    /** A person's words, which may name people. */
    note: secret.optional(),
  }),
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
    claimedAt,
    error: messageError.optional(),
    pricing: z.json().optional(),
    /** Meta's billing conversation; only of free entry points since Graph v24. */
    conversation: z.json().optional(),
    /** Of a message to a group: which of its people reports. The tag tells them apart within the message and leads back to nobody. */
    participantTag: z.string().optional(),
    participantId: secret.optional(),
  }),
  /** A report in a word that we do not know: kept and shown in the history of the message, and moving it nowhere. */
  z.object({
    type: z.literal('MessageStatusUnrecognised'),
    messageId: z.string(),
    providerId: z.string(),
    status: z.string(),
    at: z.iso.datetime(),
    raw: secret,
  }),
  /** Everything up to and including this message was seen; `unread` is what is left after it. */
  z.object({ type: z.literal('ConversationRead'), throughMessageId: z.string(), unread: z.number().int() }),
  z.object({ type: z.literal('ConversationReopened'), by: z.enum(['inbound', 'agent', 'timer']) }),
  z.object({ type: z.literal('ConversationMarkedPending') }),
  z.object({ type: z.literal('ConversationSnoozed'), until: z.iso.datetime() }),
  z.object({ type: z.literal('ConversationResolved') }),
])
export type ConversationEvent = z.infer<typeof conversationEvent>
export type Reactor = z.infer<typeof reactor>
export type MediaReference = z.infer<typeof mediaReference>
export type Sender = z.infer<typeof sender>
export type Priority = (typeof priorities)[number]
