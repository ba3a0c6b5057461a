import { describe, expect, it } from 'vitest'
import { claimOf, timeOf } from './time.ts'

const receivedAt = new Date('2026-10-09T08:00:00.250Z')
const received = receivedAt.toISOString()

describe('the time that the provider gives', () => {
  it.each([
    ['1791532799', '2026-10-09T07:59:59.000Z'],
    [1_791_532_800, '2026-10-09T08:00:00.000Z'],
    ['1230768000', '2009-01-01T00:00:00.000Z'],
  ])('%s is what counts', (timestamp, at) => {
    expect(timeOf(timestamp, receivedAt)).toBe(at)
    expect(claimOf(timestamp, receivedAt)).toEqual({})
  })

  it.each([
    ['a moment after we got it', '1791532801', '2026-10-09T08:00:01.000Z'],
    ['in 2099', '4070908800', '2099-01-01T00:00:00.000Z'],
    ['in milliseconds', 1_791_532_799_000, '1791532799000'],
    ['from before there was WhatsApp', '86400', '86400'],
    ['below zero', '-5', '-5'],
    ['a word', 'yesterday', 'yesterday'],
    ['beyond all numbers', '1e400', '1e400'],
    ['empty', '', ''],
  ])('is kept beside when we got it where it is %s', (_, timestamp, claimedAt) => {
    expect(timeOf(timestamp, receivedAt)).toBe(received)
    expect(claimOf(timestamp, receivedAt)).toEqual({ claimedAt })
  })

  it('that is missing is when we got it', () => {
    expect(timeOf(undefined, receivedAt)).toBe(received)
    expect(claimOf(undefined, receivedAt)).toEqual({})
  })
})
