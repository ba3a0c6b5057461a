import { assert, array, nat, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createNumberLimit } from './number-limit.ts'

const t0 = Date.parse('2026-01-01T12:00:00Z')

/** Looks at these moments, takes whatever may be taken, and says when it did. */
function takes(limit: ReturnType<typeof createNumberLimit>, moments: readonly number[]): number[] {
  const taken: number[] = []
  for (const now of moments) {
    while (limit.readyAt(now) <= now) {
      limit.take(now)
      taken.push(now)
    }
  }
  return taken
}

const mostInAnySecond = (taken: readonly number[]): number =>
  Math.max(0, ...taken.map((from) => taken.filter((at) => at >= from && at < from + 1_000).length))

describe('the limit of a number', () => {
  it('is kept in every second, however seldom or often it is asked', () => {
    assert(
      property(array(nat(400), { minLength: 1, maxLength: 60 }), nat(59), (pauses, rate) => {
        let now = t0
        const taken = takes(
          createNumberLimit(rate + 1, t0),
          pauses.map((pause) => (now += pause)),
        )
        expect(mostInAnySecond(taken)).toBeLessThanOrEqual(rate + 1)
      }),
    )
  })

  it('loses nothing to pauses of a fifth of a second', () => {
    const limit = createNumberLimit(1_000, t0)
    const moments = Array.from({ length: 50 }, (_, nth) => t0 + nth * 200)
    // The first second may begin with a full bucket; from then on it is the rate.
    expect(takes(limit, moments).length).toBeGreaterThanOrEqual(9_800)
  })

  it('follows a rate that changes', () => {
    const limit = createNumberLimit(80, t0)
    const second = (from: number) =>
      takes(
        limit,
        Array.from({ length: 100 }, (_, nth) => from + nth * 10),
      ).length
    expect(second(t0)).toBe(80)
    limit.setPerSecond(10)
    expect(second(t0 + 1_000)).toBeLessThanOrEqual(10)
    limit.setPerSecond(1_000)
    expect(second(t0 + 3_000)).toBeGreaterThan(900)
  })
})
