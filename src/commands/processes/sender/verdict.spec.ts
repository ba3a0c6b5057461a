import { describe, expect, it } from 'vitest'
import type { SendOutcome } from '../../ports/cloud-api.ts'
import { judge, type Tried } from './verdict.ts'

const now = Date.UTC(2026, 0, 1, 12)
const tried = (over: Partial<Tried> = {}): Tried => ({ tries: 1, queuedAt: now, now, streak: 1, random: 1, ...over })
const rejected = (code: number, over: object = {}): SendOutcome => ({ outcome: 'rejected', error: { code, status: 400, message: 'no', ...over } })
const notSent: SendOutcome = { outcome: 'not_sent', reason: 'connection refused' }
const hours = (n: number): number => n * 3_600_000

describe('what an answer of the provider means', () => {
  it('takes an answer without a usable result for unknown, never for failed', () => {
    expect(judge({ outcome: 'unknown', reason: 'time-out' }, tried())).toEqual({ result: { kind: 'unknown', reason: 'time-out' }, channel: {} })
  })

  it.each([1, 2, 131000, 131016, 131057, 133004])('does not repeat after %i, which may have gone out', (code) => {
    expect(judge(rejected(code), tried()).result.kind).toBe('unknown')
  })

  it('repeats what never left, waits longer each time, and holds the channel meanwhile', () => {
    const waits = [1, 2, 3, 7, 20].map((streak) => {
      const { result, channel } = judge(notSent, tried({ streak }))
      expect(result).toMatchObject({ kind: 'deferred', retryAt: now + (channel.pauseMs ?? 0) })
      return channel.pauseMs
    })
    expect(waits).toEqual([1_000, 2_000, 4_000, 60_000, 60_000])
    expect(judge(notSent, tried({ streak: 4, random: 0 })).channel.pauseMs).toBe(4_000)
  })

  it('waits out an outage of a night, and gives up after a day', () => {
    expect(judge(notSent, tried({ tries: 300, queuedAt: now - hours(10) })).result.kind).toBe('deferred')
    expect(judge(notSent, tried({ tries: 300, queuedAt: now - hours(24) })).result).toMatchObject({
      kind: 'failed',
      error: { code: 'provider_unreachable', retryable: true },
    })
  })

  it('slows the whole channel down at a rate limit, for as long as Meta asks for', () => {
    expect(judge(rejected(130429, { retryAfterSeconds: 30 }), tried())).toMatchObject({
      result: { kind: 'deferred', retryAt: now + 30_000, error: { code: 'provider_130429', retryable: true } },
      channel: { pauseMs: 30_000, slower: true },
    })
    expect(judge(rejected(130429), tried()).channel).not.toHaveProperty('trouble')
    expect(judge(rejected(130429), tried({ streak: 5 })).channel).toHaveProperty('trouble')
  })

  it('waits 4^n seconds for one person who got too much, and leaves the channel alone', () => {
    const waits = [1, 2, 3, 9].map((tries) => judge(rejected(131056), tried({ tries })).result)
    expect(waits.map((result) => (result.kind === 'deferred' ? result.retryAt - now : -1))).toEqual([1_000, 4_000, 16_000, 3_600_000])
    expect(judge(rejected(131056), tried()).channel).toEqual({})
  })

  it('holds the channel when the token is refused, tells of it, and fails no message', () => {
    const { result, channel } = judge(rejected(190, { status: 401 }), tried({ tries: 50, streak: 2 }))
    expect(result).toMatchObject({ kind: 'deferred', retryAt: now + 120_000 })
    expect(channel).toMatchObject({ pauseMs: 120_000, trouble: { code: 'provider_190' } })
  })

  it('holds the channel when the account is refused, for a quarter of an hour and up to one hour, tells of it, and fails no message', () => {
    const waits = [1, 2, 3, 9].map((streak) => {
      const { result, channel } = judge(rejected(131042), tried({ tries: 50, streak, random: 0 }))
      expect(result).toMatchObject({ kind: 'deferred', retryAt: now + (channel.pauseMs ?? 0) })
      expect(channel).toMatchObject({ trouble: { code: 'provider_131042' } })
      return (channel.pauseMs ?? 0) / 60_000
    })
    expect(waits).toEqual([15, 30, 60, 60])
    expect(judge(rejected(131042), tried({ queuedAt: now - hours(24) })).result.kind).toBe('failed')
  })

  it('tries a trouble of the message eight times and no more', () => {
    expect(judge(rejected(133015), tried({ tries: 7 })).result).toMatchObject({ kind: 'deferred', retryAt: now + 300_000 })
    expect(judge(rejected(133015), tried({ tries: 8 })).result.kind).toBe('failed')
  })

  it.each([131047, 131026, 132001, 131049, 100, 131030, 137000, 130472, 132015, 132016, 132007, 132068, 132069, 130497, 134011, 424242])(
    'fails at once after %i',
    (code) => {
      expect(judge(rejected(code), tried())).toMatchObject({
        result: { kind: 'failed', error: { code: `provider_${code}`, retryable: false } },
        channel: {},
      })
    },
  )

  it("keeps Meta's own words beside ours", () => {
    const { result } = judge(rejected(131031, { details: 'locked', fbtraceId: 'T1' }), tried())
    expect(result).toMatchObject({
      kind: 'deferred',
      error: { title: 'The account is locked', providerError: { code: 131031, status: 400, message: 'no', details: 'locked', fbtrace_id: 'T1' } },
    })
  })
})
