import { describe, expect, it } from 'vitest'
import { claim, type ClaimCommand } from './claim.ts'
import type { ClaimEvent } from './events.ts'

const ana = { tenantId: 'ana', holderId: 'c1' }
const bea = { tenantId: 'bea', holderId: 'c2' }
const at = new Date('2026-01-01T12:00:00Z')
const claimed: ClaimEvent = { type: 'Claimed', kind: 'number', ...ana, at: at.toISOString() }
const after = (command: ClaimCommand, ...events: ClaimEvent[]) => claim.decide(command, events.reduce(claim.evolve, claim.initial))

describe('claiming a name', () => {
  it('gives it to the first who asks', () => {
    expect(after({ type: 'claim', kind: 'number', ...ana, at })).toEqual({ events: [claimed] })
  })
  it('is harmless to repeat', () => {
    expect(after({ type: 'claim', kind: 'number', ...ana, at }, claimed)).toEqual({ events: [] })
  })
  it('is refused while another holds it', () => {
    expect(after({ type: 'claim', kind: 'number', ...bea, at }, claimed)).toEqual({ refused: 'taken' })
  })
  it('works again once it was released', () => {
    expect(after({ type: 'claim', kind: 'number', ...bea, at }, claimed, { type: 'ClaimReleased', ...ana })).toEqual({
      events: [{ type: 'Claimed', kind: 'number', ...bea, at: at.toISOString() }],
    })
  })
})

describe('releasing a name', () => {
  it('frees the own one', () => {
    expect(after({ type: 'release', ...ana }, claimed)).toEqual({ events: [{ type: 'ClaimReleased', ...ana }] })
  })
  it('does not take it from somebody else', () => {
    expect(after({ type: 'release', ...bea }, claimed)).toEqual({ events: [] })
  })
})
