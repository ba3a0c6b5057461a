import { z } from 'zod'
import { secret } from '../kernel/secret.ts'

const identityKinds = ['wa_id', 'bsuid'] as const

/**
 * A person who writes to a tenant, known by a set of identities and never keyed by phone.
 * Every identity has a stream named after its blind index: the first one is the contact itself, each further one holds a `ContactAliased` that points home.
 */
export const contactEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ContactCreated'), source: z.string(), name: secret.optional(), nameIndex: z.string().optional() }),
  z.object({ type: z.literal('ContactIdentityAdded'), kind: z.enum(identityKinds), index: z.string(), value: secret }),
  z.object({ type: z.literal('ContactRenamed'), name: secret, nameIndex: z.string() }),
  z.object({ type: z.literal('ContactAliased'), contactId: z.string() }),
])
export type ContactEvent = z.infer<typeof contactEvent>
export type IdentityKind = (typeof identityKinds)[number]
