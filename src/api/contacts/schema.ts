import { z } from 'zod'
import { identityKinds } from '../../domain/contact/events.ts'

/** A person who writes to a tenant. Fields are absent when unknown or erased. */
export const contact = z
  .object({
    id: z.string(),
    name: z.string().optional().meta({ description: "As in the phone's address book, else as the person calls themselves" }),
    profile_name: z.string().optional().meta({ description: 'As the person calls themselves' }),
    username: z.string().optional().meta({ description: 'Without `@`. Shown, and no identity: it may change hands' }),
    phone: z.string().optional().meta({ description: 'E.164 with +; absent for who hides it' }),
    wa_id: z.string().optional().meta({ description: 'The number as Meta wrote it last' }),
    bsuid: z.string().optional().meta({ description: "Meta's business-scoped user id" }),
    identities: z
      .array(z.object({ kind: z.enum(identityKinds), value: z.string(), former: z.literal(true).optional() }))
      .meta({ description: 'All that lead to this contact; `former` ones were replaced by another' }),
    consents: z.array(z.object({ purpose: z.string(), granted: z.boolean(), at: z.string(), source: z.string() })),
    in_address_book: z.boolean().meta({ description: "Stands in the address book of the business's phone" }),
    possible_duplicates: z.array(z.string()).optional().meta({ description: 'Contacts that share an identity with this one' }),
    source: z.string(),
    erased: z.literal(true).optional(),
    created_at: z.string(),
    updated_at: z.string(),
    version: z.number().int(),
  })
  .meta({ id: 'Contact' })

export type ContactBody = z.infer<typeof contact>
