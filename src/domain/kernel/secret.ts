import { z } from 'zod'

/**
 * Personal or secret text in an event. The decider writes `plain`; the command handler seals it before the event reaches the store;
 * whoever reads the log sees `sealed` only. Invariant: no event with `plain` in it is ever stored (the sealing codec and a test watch over it).
 */
export type Secret = { readonly plain: string } | { readonly sealed: string }

export const secret = z.union([z.strictObject({ sealed: z.string() }), z.strictObject({ plain: z.string() })])

export const plain = (text: string): Secret => ({ plain: text })

/** The ciphertext of a stored secret, for read models that copy it. */
export function sealedText(value: Secret): string {
  if ('sealed' in value) return value.sealed
  throw new Error('a secret was read before it was sealed')
}

export const isSecret = (value: unknown): value is Secret => typeof value === 'object' && value !== null && ('plain' in value || 'sealed' in value)
