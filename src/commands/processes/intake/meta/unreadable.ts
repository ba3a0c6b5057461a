import type { z } from 'zod'
import type { UnreadableItem } from './items.ts'

/** Paths and messages of zod name fields, never values: nothing personal gets into the log of failures. */
export const unreadable = (path: string, error: z.ZodError): UnreadableItem => ({
  kind: 'unreadable',
  path,
  error: error.issues.map((issue) => `${issue.path.join('.') || 'item'}: ${issue.message}`).join('; '),
})
