import { z } from 'zod'
import { secret } from '../kernel/secret.ts'

/**
 * A file of a message: a customer's (fetched from the provider) or ours (uploaded here, given to the provider when it is sent).
 * The bytes lie sealed in the media store under `storageKey`; the log only knows of them. File names are personal and sealed.
 */
export const mediaEvent = z.discriminatedUnion('type', [
  /** A customer's file that has to be fetched before the provider forgets it (7 days). */
  z.object({
    type: z.literal('MediaAnnounced'),
    messageId: z.string(),
    conversationId: z.string(),
    channelId: z.string(),
    contactId: z.string(),
    providerId: z.string(),
    kind: z.string(),
    mimeType: z.string().optional(),
    sha256: z.string().optional(),
    announcedAt: z.iso.datetime(),
  }),
  z.object({
    type: z.literal('MediaStored'),
    storageKey: z.string(),
    mimeType: z.string(),
    /** Bytes of the file as it was received, before sealing. */
    size: z.number().int(),
    /** Hex, of the same bytes. */
    sha256: z.string(),
    filename: secret.optional(),
    thumbnailKey: z.string().optional(),
    thumbnailSize: z.number().int().optional(),
    width: z.number().int().optional(),
    height: z.number().int().optional(),
    /** Ogg with Opus in one channel: may be sent as a voice note as it is. */
    voice: z.boolean().optional(),
  }),
  /** One attempt failed; `final` when there will be no other by itself. */
  z.object({ type: z.literal('MediaFetchFailed'), reason: z.string(), final: z.boolean() }),
  /** The provider no longer has it. */
  z.object({ type: z.literal('MediaExpired') }),
  /** The provider has a copy for this channel, until then; `form` where it is not the file itself but what was made of it for a voice note. */
  z.object({
    type: z.literal('MediaHandedToProvider'),
    channelId: z.string(),
    providerId: z.string(),
    until: z.iso.datetime(),
    form: z.literal('voice').optional(),
  }),
  /** The provider no longer knows the copy it was handed. */
  z.object({ type: z.literal('MediaForgottenByProvider'), channelId: z.string(), providerId: z.string() }),
  z.object({ type: z.literal('MediaErased') }),
])
export type MediaEvent = z.infer<typeof mediaEvent>
