import { SealBroken } from '../../../domain/kernel/vault.ts'

/**
 * Whether an error will come again however often the item is tried. Only these are put aside; a database that is away, a pool that is full or anything
 * unheard-of means the same page again, for a good message must not be passed over because of a bad moment.
 */
export function isPoison(error: unknown): boolean {
  if (error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError || error instanceof SealBroken) return true
  const code = typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : ''
  // SQLSTATE: data exception, integrity violation, program limit exceeded.
  return /^(22|23|54)[0-9A-Z]{3}$/.test(code)
}
