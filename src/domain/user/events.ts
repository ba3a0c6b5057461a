import { z } from 'zod'
import { secret } from '../kernel/secret.ts'

export const roles = ['agent', 'supervisor', 'admin', 'auditor'] as const

/** A person who works for a tenant. Sealed under the subject `user:<id>`. */
export const userEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('UserInvited'), name: secret, email: secret, emailIndex: z.string(), role: z.enum(roles) }),
])
export type UserEvent = z.infer<typeof userEvent>
