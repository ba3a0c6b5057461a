import { z } from 'zod'
import { mediaSchema } from '../media/schema.ts'

const error = z
  .object({
    code: z.string(),
    title: z.string(),
    detail: z.string().optional(),
    retryable: z.boolean(),
    provider_error: z.unknown().optional(),
    provider_errors: z.array(z.unknown()).optional().meta({ description: 'All of them, where the provider named more than one' }),
  })
  .meta({ id: 'MessageError' })

/** A message as every client sees it: the routes, the feed and (later) outgoing webhooks. */
export const message = z
  .object({
    id: z.string(),
    conversation_id: z.string(),
    channel_id: z.string(),
    direction: z.enum(['inbound', 'outbound']),
    type: z.string().meta({ description: "Meta's name of the type" }),
    provider_id: z.string().optional().meta({ description: "Meta's id (`wamid.…`), once there is one" }),
    status: z.string().meta({
      description: 'received for inbound; queued → sending → sent → delivered → read → played, failed, or unknown for outbound',
    }),
    content: z.record(z.string(), z.unknown()).nullable().meta({
      description:
        'Meta\'s object under the name of its type, e.g. `{"text":{"body":"…"}}`, and what came beside it (`referral`, `context`, `errors`, `identity`); null when it was erased or revoked',
    }),
    erased: z.literal(true).optional().meta({ description: "The contact's personal data was erased on purpose" }),
    media: mediaSchema.partial({ id: true }).optional(),
    reply_to: z.object({ id: z.string().optional(), provider_id: z.string() }).optional(),
    reactions: z
      .array(
        z.object({
          emoji: z.string(),
          by: z.object({ kind: z.string(), id: z.string().optional(), name: z.string().optional() }),
          at: z.string(),
        }),
      )
      .meta({ description: 'The latest of the customer (`contact`) and the latest of ours' }),
    edited_at: z.string().optional().meta({ description: '`content` is what it says since then' }),
    revoked_at: z.string().optional().meta({ description: 'Deleted for everyone: it keeps its place, with `content: null`' }),
    history: z.literal(true).optional().meta({ description: 'From before the connection' }),
    pricing: z.unknown().optional().meta({ description: "Meta's word on what it costs" }),
    error: error.optional(),
    status_history: z.array(z.object({ status: z.string(), at: z.string() })),
    sent_by: z.object({ kind: z.string(), id: z.string().optional(), name: z.string().optional() }).optional(),
    occurred_at: z.string(),
    recorded_at: z.string(),
    raw: z.unknown().optional().meta({ description: "The provider's object, for types that Recado does not know" }),
    version: z.number().int(),
  })
  .meta({ id: 'Message' })

export type MessageBody = z.infer<typeof message>
