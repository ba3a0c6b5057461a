import { describe, expect, it } from 'vitest'
import { parking, type DiscardParked } from './parking.ts'

const event = { category: 'conversation', id: 'c1', version: 3 } as const
const discard: DiscardParked = { type: 'discard', position: '5', event, row: 'm1', eventType: 'MessageReceived', reason: 'it never made sense' }
const { type: _type, ...said } = discard

describe('what a read model could not apply', () => {
  it('is discarded with a reason, once', () => {
    const decision = parking.decide(discard, parking.initial)
    expect(decision).toEqual({ events: [{ type: 'ParkedEventDiscarded', ...said }] })
    const after = 'events' in decision ? decision.events.reduce(parking.evolve, parking.initial) : parking.initial
    expect(parking.decide({ ...discard, reason: 'again' }, after)).toEqual({ events: [] })
    // Moved to another engine, the log has it at another place.
    expect(parking.decide({ ...discard, position: '6' }, after)).toEqual({ events: [] })
    expect(parking.decide({ ...discard, event: { ...event, version: 4 } }, after)).toMatchObject({ events: [{ position: '5' }] })
  })
  it('is tried again as often as somebody wants, and each time is kept', () => {
    const retry = { type: 'noteRetry', row: 'm1', applied: 1, waiting: 2 } as const
    const event = { type: 'ParkedEventsRetried', row: 'm1', applied: 1, waiting: 2 } as const
    expect(parking.decide(retry, parking.evolve(parking.initial, event))).toEqual({ events: [event] })
  })
})
