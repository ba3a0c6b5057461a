import { assert, constantFrom, nat, property, tuple } from 'fast-check'
import { parsePhoneNumberFromString } from 'libphonenumber-js/max'
import { describe, expect, it } from 'vitest'
import { canonicalPhone } from './phone.ts'

const typeOf = (waId: string) => {
  const number = parsePhoneNumberFromString(`+${waId}`)
  return number?.isValid() === true ? number.getType() : undefined
}

describe('a mobile that is written in two ways', () => {
  it.each([
    ['Brasília', '556181234567', '5561981234567'],
    ['São Paulo', '551191234567', '5511991234567'],
    ['Salvador', '557188765432', '5571988765432'],
    ['Belo Horizonte', '553171234567', '5531971234567'],
    ['Mexico City', '5215512345678', '525512345678'],
    ['Guadalajara', '5213312345678', '523312345678'],
    ['Tijuana', '5216641234567', '526641234567'],
    ['Buenos Aires', '54111523456789', '5491123456789'],
    ['Córdoba', '54351153456789', '5493513456789'],
    ['a town in Neuquén', '54294215412345', '5492942412345'],
  ])('in %s is the same one', (_where, other, canonical) => {
    expect(canonicalPhone(other)).toBe(canonical)
    expect(canonicalPhone(canonical)).toBe(canonical)
  })
})

describe('a number that only looks alike', () => {
  it.each([
    ['a land line in São Paulo', '551133334444'],
    ['a land line in Brasília that begins with 2', '556121234567'],
    ['a land line in Recife that begins with 5', '558150123456'],
    ['a Brazilian area that does not exist', '552081234567'],
    ['a Brazilian service', '558001234567'],
    ['a land line in Buenos Aires', '541147001234'],
    ['a land line in Córdoba', '543514123456'],
    ['a mobile in Buenos Aires', '5491147001234'],
    ['an Argentine number that is too short', '5411154700'],
    ['a Mexican toll-free number', '5218001234567'],
    ['a Mexican toll-free number of the other kind', '5218883826630'],
    ['a Mexican number without mark', '525512345678'],
    ['a Spanish number', '34600000001'],
    ['a number of the United States that begins with 521', '15215512345678'],
    ['a number of the Faroes', '298211234'],
    ['a number of Belize', '5016221234'],
    ['nothing', ''],
  ])('%s stays as it is', (_what, waId) => {
    expect(canonicalPhone(waId)).toBe(waId)
  })
})

describe('the canonical form', () => {
  const digits = (length: number) => nat(10 ** length - 1).map((n) => String(n).padStart(length, '0'))
  const written = tuple(
    constantFrom('55', '52', '521', '54', '549', '5411', '541115', '5435115', '54351', '5561', '57', '1', '34'),
    constantFrom(7, 8, 9, 10, 11, 12).chain(digits),
  ).map((parts) => parts.join(''))
  it('of a canonical form is itself', () => {
    assert(
      property(written, (waId) => {
        expect(canonicalPhone(canonicalPhone(waId))).toBe(canonicalPhone(waId))
      }),
      { numRuns: 3_000 },
    )
  })
  it('differs only for what libphonenumber calls a mobile, and never for one of its land lines', () => {
    assert(
      property(written, (waId) => {
        const canonical = canonicalPhone(waId)
        if (canonical === waId) return
        expect(typeOf(waId)).not.toBe('FIXED_LINE')
        // Its tables have blocks that nobody was given: what is no number at all harms nobody.
        expect([undefined, 'MOBILE', 'FIXED_LINE_OR_MOBILE']).toContain(typeOf(canonical))
      }),
      { numRuns: 5_000 },
    )
  })
  it('of every Argentine land line is the land line', () => {
    assert(
      property(tuple(constantFrom('11', '351', '341', '261', '2942', '3541'), digits(8)), ([area, subscriber]) => {
        const waId = `54${area}${subscriber.slice(area.length - 2)}`
        expect(canonicalPhone(waId)).toBe(waId)
      }),
    )
  })
})
