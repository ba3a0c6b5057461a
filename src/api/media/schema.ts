import { z } from 'zod'

/** A file as clients see it: of a message, or uploaded. */
export const mediaSchema = z
  .object({
    id: z.string(),
    mime_type: z.string().optional(),
    size: z.number().int().optional().meta({ description: 'Bytes' }),
    sha256: z.string().optional().meta({ description: 'Hex' }),
    filename: z.string().optional(),
    state: z.enum(['pending', 'stored', 'expired', 'failed', 'erased']).meta({
      description:
        'pending: being fetched from the provider; expired: the provider no longer has it; failed: it cannot be fetched; erased: with the contact',
    }),
    url: z.string().optional().meta({ description: 'Works for five to ten minutes and needs no credential. Relative to this installation' }),
    thumbnail_url: z.string().optional().meta({ description: 'The same for a small picture (WebP), where there is one' }),
    width: z.number().int().optional(),
    height: z.number().int().optional(),
  })
  .meta({ id: 'Media' })

export type MediaBody = z.infer<typeof mediaSchema>

export const storedMedia = z
  .object({
    message_id: z.string().meta({ description: 'The message that brought it' }),
    conversation_id: z.string(),
    media: mediaSchema,
  })
  .extend({ id: z.string() })
  .meta({ id: 'StoredMedia' })
