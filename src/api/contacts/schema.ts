import { z } from 'zod'

/** A person who writes to a tenant. Fields are absent when unknown or erased. */
export const contact = z
  .object({
    id: z.string(),
    name: z.string().optional(),
    phone: z.string().optional().meta({ description: 'E.164 with +' }),
    wa_id: z.string().optional(),
    bsuid: z.string().optional().meta({ description: "Meta's business-scoped user id" }),
    source: z.string(),
    erased: z.literal(true).optional(),
    created_at: z.string(),
    updated_at: z.string(),
    version: z.number().int(),
  })
  .meta({ id: 'Contact' })

export type ContactBody = z.infer<typeof contact>
