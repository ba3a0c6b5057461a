import { z } from 'zod'
import { secret } from '../kernel/secret.ts'

/** What identifies a person. A user name does not: it may be changed, and then somebody else may take it. */
export const identityKinds = ['wa_id', 'bsuid', 'parent_bsuid', 'lid'] as const

const moment = z.iso.datetime()

/**
 * A person who writes to a tenant, known by a set of identities and never keyed by phone.
 * Every identity has a stream named after its blind index: the first one is the contact itself, each further one holds a `ContactAliased` that points home.
 * Times are the provider's: of two statements the later one counts, whichever came first.
 */
export const contactEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('ContactCreated'),
    source: z.string(),
    name: secret.optional(),
    nameIndex: z.string().optional(),
    nameAt: moment.optional(),
  }),
  /** `value` is what was said; `index` is of the canonical form, `spelling` of the very text where that differs. `at` is absent for what only a caller said. */
  z.object({
    type: z.literal('ContactIdentityAdded'),
    kind: z.enum(identityKinds),
    index: z.string(),
    spelling: z.string().optional(),
    value: secret,
    at: moment.optional(),
  }),
  /** The person has another number or user id now; the old one still leads here. With the same index: the provider writes it another way now. */
  z.object({
    type: z.literal('ContactIdentityReplaced'),
    kind: z.enum(identityKinds),
    formerIndex: z.string(),
    index: z.string(),
    spelling: z.string().optional(),
    value: secret,
    at: moment,
  }),
  /** A wish for or against messages of a purpose (`marketing`), as the provider or a person told it. */
  z.object({ type: z.literal('ContactConsentChanged'), purpose: z.string(), granted: z.boolean(), source: z.string(), at: moment }),
  z.object({ type: z.literal('ContactRenamed'), name: secret, nameIndex: z.string(), nameAt: moment.optional() }),
  z.object({ type: z.literal('ContactUsernameChanged'), username: secret, usernameIndex: z.string(), at: moment }),
  /** Stands in the address book of the business's phone, under a name that goes before the person's own. */
  z.object({ type: z.literal('ContactListed'), name: secret.optional(), nameIndex: z.string().optional(), at: moment }),
  z.object({ type: z.literal('ContactUnlisted'), at: moment }),
  /** An identity of this person belongs to another contact, too. Both are kept until somebody merges them. */
  z.object({ type: z.literal('ContactDuplicateSuspected'), contactId: z.string(), at: moment }),
  z.object({ type: z.literal('ContactAliased'), contactId: z.string() }),
])
export type ContactEvent = z.infer<typeof contactEvent>
export type IdentityKind = (typeof identityKinds)[number]
