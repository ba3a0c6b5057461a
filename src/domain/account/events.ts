import { z } from 'zod'
import { secret } from '../kernel/secret.ts'

/**
 * What Meta tells of a business account (WABA) and its numbers beside messages: restrictions, reviews, capability, security, flows, payments, groups, calls …
 * One stream per (tenant, WABA). The provider's value is kept whole and sealed under the account's own subject: some of these fields, and who knows what
 * unknown ones, name customers.
 */
export const accountEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('AccountNewsReceived'),
    wabaId: z.string(),
    /** Field, moment and content as a keyed hash: the same news again is the same key. */
    key: z.string(),
    /** Meta's webhook field, also one that we do not know. */
    field: z.string(),
    /** Meta's word for what happened (`DISABLED_UPDATE`), where the field has one; ours (`group_message`) of what was written in a group. */
    event: z.string().optional(),
    phoneNumberId: z.string().optional(),
    /** JSON text of Meta's value. */
    value: secret,
    at: z.iso.datetime(),
  }),
])
export type AccountEvent = z.infer<typeof accountEvent>
