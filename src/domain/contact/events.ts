import { z } from 'zod'
import { secret } from '../kernel/secret.ts'

export const identityKinds = ['wa_id', 'bsuid', 'parent_bsuid', 'username', 'lid'] as const

/**
 * A person who writes to a tenant, known by a set of identities and never keyed by phone.
 * Every identity has a stream named after its blind index: the first one is the contact itself, each further one holds a `ContactAliased` that points home.
 */
export const contactEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ContactCreated'), source: z.string(), name: secret.optional(), nameIndex: z.string().optional() }),
  z.object({ type: z.literal('ContactIdentityAdded'), kind: z.enum(identityKinds), index: z.string(), value: secret }),
  /** The person has another number or user id now; the old one still leads here. */
  z.object({ type: z.literal('ContactIdentityReplaced'), kind: z.enum(identityKinds), formerIndex: z.string(), index: z.string(), value: secret }),
  /** A wish for or against messages of a purpose (`marketing`), as the provider or a person told it. */
  z.object({ type: z.literal('ContactConsentChanged'), purpose: z.string(), granted: z.boolean(), source: z.string(), at: z.iso.datetime() }),
  z.object({ type: z.literal('ContactRenamed'), name: secret, nameIndex: z.string() }),
  z.object({ type: z.literal('ContactAliased'), contactId: z.string() }),
])
export type ContactEvent = z.infer<typeof contactEvent>
export type IdentityKind = (typeof identityKinds)[number]
