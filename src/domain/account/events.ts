import { z } from 'zod'

/**
 * What Meta tells of a business account (WABA) and its numbers beside messages: restrictions, reviews, capability, security, flows, payments, groups …
 * One stream per (tenant, WABA). The provider's value is kept whole; it names no customer.
 */
export const accountEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('AccountNewsReceived'),
    wabaId: z.string(),
    /** Meta's webhook field, also one that we do not know. */
    field: z.string(),
    phoneNumberId: z.string().optional(),
    value: z.json(),
    at: z.iso.datetime(),
  }),
])
export type AccountEvent = z.infer<typeof accountEvent>
