import { canonicalPhone } from '../../domain/contact/phone.ts'

export const phoneFaults = ['not_a_number', 'country_missing', 'unknown_country', 'too_short', 'too_long', 'no_such_number'] as const
export type PhoneFault = (typeof phoneFaults)[number]

/** `waId`: what to send to; Meta may answer with an older spelling of it. `type` as libphonenumber names it, in small letters. */
export type CheckedPhone =
  | { readonly valid: true; readonly e164: string; readonly waId: string; readonly type: string; readonly country?: string }
  | { readonly valid: false; readonly reason: PhoneFault }

export type ValidatePhone = (phone: string, country?: string) => Promise<CheckedPhone>

/**
 * Whether a number can exist, by the numbering plans of all countries; whether somebody has it, and uses WhatsApp, only Meta knows.
 * The tables are loaded by who asks first: they take 21 MB, which a process that only sends and receives does not need.
 */
export const validatePhone: ValidatePhone = async (phone, country) => {
  const { isSupportedCountry, ParseError, parsePhoneNumberWithError, validatePhoneNumberLength } = await import('libphonenumber-js/max')
  if (country !== undefined && !isSupportedCountry(country)) return { valid: false, reason: 'unknown_country' }
  try {
    const text = international(phone, country)
    const number = parsePhoneNumberWithError(text, country)
    if (!number.isValid()) return { valid: false, reason: faultOf(validatePhoneNumberLength(text, country)) }
    return {
      valid: true,
      e164: number.number,
      waId: canonicalPhone(number.number.slice(1)),
      type: number.getType()?.toLowerCase() ?? 'unknown',
      ...(number.country === undefined ? {} : { country: number.country }),
    }
  } catch (error) {
    if (error instanceof ParseError) return { valid: false, reason: faultOf(error.message) }
    throw error
  }
}

/** Without a country the number must begin with its code; `+`, `00` or neither before it. Of two ways of writing it, the one that the plans know. */
function international(phone: string, country: string | undefined): string {
  const text = phone.trim().replace(/^00/, '+')
  if (country !== undefined && !text.startsWith('+')) return text
  return /^\+?[\d\s().-]+$/.test(text) ? `+${canonicalPhone(text.replace(/\D/g, ''))}` : text
}

/** In the words of libphonenumber; undefined where only the digits are wrong. */
function faultOf(fault: string | undefined): PhoneFault {
  switch (fault) {
    case 'TOO_SHORT':
      return 'too_short'
    case 'TOO_LONG':
      return 'too_long'
    case 'INVALID_COUNTRY':
      return 'country_missing'
    case 'INVALID_LENGTH':
    case undefined:
      return 'no_such_number'
    default:
      return 'not_a_number'
  }
}
