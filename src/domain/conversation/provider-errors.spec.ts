import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { explain, knownCodes, type ErrorClass } from './provider-errors.ts'

/** Section 9 of the fact sheet, by what a person would do about it. */
const expected: Readonly<Record<ErrorClass, readonly number[]>> = {
  retry: [1, 2, 131000, 131016, 131057, 133004, 133015, 134101, 139103, 2494100],
  backoff: [4, 613, 80007, 130429, 131208, 138002, 138003, 138005],
  pair_limit: [131056],
  wait_24h: [131049],
  never: [
    100, 803, 130403, 130472, 131008, 131009, 131020, 131021, 131026, 131041, 131050, 131051, 131052, 131053, 131055, 131059, 131060, 131062, 131201,
    131207, 131215, 132005, 132008, 134100, 135000, 136024, 138000, 138018, 139000, 139004, 139100, 139102, 1752041, 2388001, 2388024, 2388299,
  ],
  credentials: [0, 190],
  template: [132000, 132001, 132007, 132012, 132015, 132016, 132018, 132068, 132069, 134102],
  window: [131047],
  account: [3, 10, 33, 200, 250, 299, 368, 131005, 131031, 131037, 131042, 131045, 131048, 131064, 133000, 133006, 133010],
  human: [130497, 131030, 131044, 131063, 133005, 133008, 133009, 133016, 134011, 137000, 147001, 147005, 2388019, 2593107, 2593108, 2593109],
}
const listed = Object.entries(expected).flatMap(([class_, codes]) => codes.map((code) => ({ code, class_ })))

describe("the meaning of Meta's errors", () => {
  it.each(listed)('$code is $class_', ({ code, class_ }) => {
    expect(explain(code).class).toBe(class_)
  })

  it('says that a message refused by a limit can be sent again without making a second one', () => {
    for (const code of [4, 80007, 130429, 131056]) expect(explain(code).safeToRepeat).toBe(true)
  })

  it('does not promise that for an error after which the message may be out', () => {
    for (const code of [1, 2, 131000, 131016, 131057, 133004, 2494100]) expect(explain(code).safeToRepeat).toBe(false)
  })

  it('repeats by itself, when the account is mended, only what was refused before it was processed', () => {
    for (const code of expected.account) expect(explain(code).safeToRepeat, `${code}`).toBe(true)
  })

  it('names the pause where Meta does', () => {
    expect(explain(131049).waitSeconds).toBe(86_400)
    expect(explain(133015).waitSeconds).toBe(300)
    expect(explain(130429)).not.toHaveProperty('waitSeconds')
  })

  it('has no code without a person-readable title and explanation', () => {
    for (const code of knownCodes) {
      const { title, explanation } = explain(code)
      expect(title.length, `${code}`).toBeGreaterThan(10)
      expect(explanation, `${code}`).toMatch(/\.$/)
    }
  })

  it('reads an answer without a code by its HTTP status', () => {
    expect(explain(0, 401).class).toBe('credentials')
    expect(explain(0, 429)).toMatchObject({ class: 'backoff', safeToRepeat: true })
    expect(explain(0, 403).class).toBe('never')
  })

  it('answers for any number, and never repeats what it does not know', () => {
    fc.assert(
      fc.property(fc.integer(), (code) => {
        const meaning = explain(code)
        expect(meaning.title).not.toBe('')
        if (meaning.title.includes(`(${code})`)) expect(meaning.class).toBe('never')
      }),
    )
    expect(explain(999_999).class).toBe('never')
  })
})
