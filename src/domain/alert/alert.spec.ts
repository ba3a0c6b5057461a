import { describe, expect, it } from 'vitest'
import { alert, isOpen, type Alert, type AlertCommand } from './alert.ts'

const at = (minute: number): string => new Date(Date.UTC(2026, 0, 1, 12, minute)).toISOString()
const raise = (minute: number, more: object = {}): AlertCommand => ({
  type: 'raise',
  key: 'number_quality:1',
  severity: 'warning',
  code: 'number_quality',
  title: 'Low quality',
  at: at(minute),
  ...more,
})
const over = (minute: number, more: object = {}): AlertCommand => ({ type: 'resolve', at: at(minute), ...more })
const said = { again: true, ahead: true }

function after(...commands: readonly AlertCommand[]): { state: Alert; events: number } {
  let state = alert.initial
  let events = 0
  for (const command of commands) {
    const decision = alert.decide(command, state)
    if ('refused' in decision) throw new Error(decision.refused)
    state = decision.events.reduce(alert.evolve, state)
    events += decision.events.length
  }
  return { state, events }
}

describe('an alert', () => {
  it('is one alert while it is open, however often the trouble is noticed', () => {
    expect(after(raise(1), raise(2), raise(3)).events).toBe(1)
  })
  it('is told again when it becomes worse', () => {
    expect(after(raise(1), raise(2, { severity: 'critical' })).events).toBe(2)
  })
  it('opens again when the trouble comes back', () => {
    const { state } = after(raise(1), over(2), raise(3))
    expect(isOpen(state)).toBe(true)
  })
  it('is not resolved twice', () => {
    expect(after(raise(1), over(2), over(3)).events).toBe(2)
  })
  it('that never was cannot be resolved by a person', () => {
    expect(alert.decide(over(1), alert.initial)).toEqual({ refused: 'not_found' })
  })
  it('stays resolved when an old piece of news is repeated', () => {
    const { state } = after(raise(1), over(2), raise(1, said))
    expect(isOpen(state)).toBe(false)
  })
  it('ends the same in whatever order the provider’s news come', () => {
    const news = [raise(1, said), over(2, said), raise(3, said), over(4, said)]
    const flags = permutations(news).map((order) => isOpen(after(...order).state))
    expect(new Set(flags)).toEqual(new Set([false]))
    const open = permutations(news.slice(0, 3)).map((order) => isOpen(after(...order).state))
    expect(new Set(open)).toEqual(new Set([true]))
  })
})

function permutations<T>(all: readonly T[]): T[][] {
  if (all.length === 0) return [[]]
  return all.flatMap((one, index) => permutations(all.filter((_, other) => other !== index)).map((rest) => [one, ...rest]))
}
