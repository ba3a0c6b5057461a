import { z } from 'zod'

/** An organisation and the API keys that act for it. Keys are stored as SHA-256 of a 256-bit random secret: there is nothing to brute-force. */
export const tenantEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('TenantCreated'), name: z.string(), slug: z.string(), plan: z.string(), locale: z.string() }),
  z.object({
    type: z.literal('TenantChanged'),
    name: z.string().optional(),
    plan: z.string().optional(),
    locale: z.string().optional(),
    settings: z.record(z.string(), z.json()).optional(),
  }),
  z.object({ type: z.literal('TenantSuspended'), reason: z.string().optional() }),
  z.object({ type: z.literal('TenantResumed') }),
  z.object({ type: z.literal('TenantClosed'), reason: z.string().optional() }),
  z.object({ type: z.literal('ApiKeyIssued'), keyId: z.string(), name: z.string(), hash: z.string(), hint: z.string(), scopes: z.array(z.string()) }),
  z.object({ type: z.literal('ApiKeyRevoked'), keyId: z.string() }),
])
export type TenantEvent = z.infer<typeof tenantEvent>
