import { describe, expect, it } from 'vitest'
import { validatePhone } from './validate-phone.ts'

describe('checking a number', () => {
  it.each([
    ['+34 600 000 001', undefined, '+34600000001', '34600000001', 'mobile', 'ES'],
    ['34600000001', undefined, '+34600000001', '34600000001', 'mobile', 'ES'],
    ['0034 600 000 001', undefined, '+34600000001', '34600000001', 'mobile', 'ES'],
    ['600 000 001', 'ES', '+34600000001', '34600000001', 'mobile', 'ES'],
    ['55 61 8123-4567', undefined, '+5561981234567', '5561981234567', 'mobile', 'BR'],
    ['+52 1 55 1234 5678', undefined, '+525512345678', '525512345678', 'fixed_line_or_mobile', 'MX'],
    ['011 15-2345-6789', 'AR', '+5491123456789', '5491123456789', 'mobile', 'AR'],
    ['+54 11 15 2345 6789', undefined, '+5491123456789', '5491123456789', 'mobile', 'AR'],
    ['+54 11 4700-1234', undefined, '+541147001234', '541147001234', 'fixed_line', 'AR'],
  ])('%s %s is good', async (phone, country, ...[e164, waId, type, where]) => {
    expect(await validatePhone(phone, country)).toEqual({ valid: true, e164, waId, type, country: where })
  })
  it.each([
    ['600 000 001', undefined, 'too_short'],
    ['ring me', undefined, 'not_a_number'],
    ['', 'ES', 'not_a_number'],
    ['12', 'ES', 'too_short'],
    ['+999 123456', undefined, 'country_missing'],
    ['+34 600 000 001 234 567 890', undefined, 'too_long'],
    ['+34 100 000 000', undefined, 'no_such_number'],
    ['600 000 001', 'XX', 'unknown_country'],
  ])('%s %s is not: %s', async (phone, country, reason) => {
    expect(await validatePhone(phone, country)).toEqual({ valid: false, reason })
  })
})
