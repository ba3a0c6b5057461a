import { createHash, randomBytes } from 'node:crypto'

/**
 * A message id built like the real ones: base64 of a small record with the customer's number and a random hex id.
 * The random part is as long as it takes to end in `=`, which real ids often do and URL paths and base64url decoders trip over.
 */
export function wamid(phone: string, direction: 'business' | 'customer'): string {
  const head = Buffer.from([0x1c, 0x18, phone.length])
  const middle = Buffer.from([0x15, 0x02, 0x00, direction === 'business' ? 0x11 : 0x12, 0x18])
  const bytes = head.length + phone.length + middle.length + 2
  const hexLength = (bytes + 18) % 3 === 0 ? 20 : 18
  const random = randomBytes(10).toString('hex').toUpperCase().slice(0, hexLength)
  const record = Buffer.concat([head, Buffer.from(phone, 'ascii'), middle, Buffer.from([hexLength]), Buffer.from(random, 'ascii'), Buffer.from([0])])
  return `wamid.${record.toString('base64')}`
}

/** Fifteen digits, like the ids of numbers, accounts and media. */
export const graphId = (): string => `1${(randomBytes(6).readUIntBE(0, 6) % 1e14).toString().padStart(14, '0')}`

/** Sixteen digits and close to 2^53, like the template ids that Meta sends as JSON numbers. */
export const templateId = (): string => `8${(randomBytes(6).readUIntBE(0, 6) % 1e14).toString().padStart(15, '0')}`

export const traceId = (): string => `A${randomBytes(17).toString('base64url').slice(0, 22)}`

/** The longest prefix wins; good enough for the two letters in front of a business-scoped user id. */
const countries: readonly (readonly [prefix: string, country: string])[] = [
  ['598', 'UY'],
  ['595', 'PY'],
  ['593', 'EC'],
  ['591', 'BO'],
  ['351', 'PT'],
  ['58', 'VE'],
  ['57', 'CO'],
  ['56', 'CL'],
  ['55', 'BR'],
  ['54', 'AR'],
  ['52', 'MX'],
  ['51', 'PE'],
  ['49', 'DE'],
  ['44', 'GB'],
  ['39', 'IT'],
  ['34', 'ES'],
  ['33', 'FR'],
  ['91', 'IN'],
  ['1', 'US'],
]

/** The same phone gets the same business-scoped user id, so that a simulator started anew still knows its customers. */
export function bsuid(phone: string): string {
  const country = countries.find(([prefix]) => phone.startsWith(prefix))?.[1] ?? 'US'
  const digits = BigInt(`0x${createHash('sha256').update(phone).digest('hex').slice(0, 16)}`).toString()
  return `${country}.${digits.padStart(20, '1')}`
}

/** Digits of a phone as people and programs write it; undefined when it cannot be one. */
export function phoneDigits(text: string): string | undefined {
  const digits = text.replace(/[\s().+-]/g, '')
  return /^\d{7,15}$/.test(digits) ? digits : undefined
}
