import { z } from 'zod'

export const conversationStatuses = ['open', 'pending', 'snoozed', 'resolved'] as const

/** A conversation as every client sees it: the inbox, the feed and (later) outgoing webhooks. */
export const conversation = z
  .object({
    id: z.string(),
    channel_id: z.string(),
    channel_kind: z.enum(['business', 'lite']),
    contact: z.object({
      id: z.string(),
      name: z.string().meta({ description: 'The profile name; else the phone, `Unknown` or `Erased contact`' }),
      phone: z.string().optional(),
      wa_id: z.string().optional(),
      avatar_url: z.string().optional(),
      erased: z.literal(true).optional(),
    }),
    status: z.enum(conversationStatuses),
    owner: z.enum(['bot', 'queue', 'human']),
    labels: z.array(z.string()),
    unread_count: z.number().int(),
    last_message: z
      .object({
        id: z.string(),
        direction: z.enum(['inbound', 'outbound']),
        type: z.string(),
        preview: z.string(),
        at: z.string(),
        status: z.string().optional(),
      })
      .optional(),
    last_inbound_at: z.string().optional(),
    window_expires_at: z.string().optional().meta({ description: 'Until then anything may be sent; afterwards only templates' }),
    entry_point_expires_at: z
      .string()
      .optional()
      .meta({ description: 'The customer came by an advertisement and was answered: until then messages are free. It permits nothing.' }),
    snoozed_until: z.string().optional(),
    created_at: z.string(),
    updated_at: z.string(),
    version: z.number().int(),
  })
  .meta({ id: 'Conversation' })

export type ConversationBody = z.infer<typeof conversation>
