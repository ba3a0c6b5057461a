import { describe, expect, it } from 'vitest'
import { createJobTurns } from './job-turns.ts'

describe('the place that goes round', () => {
  it('leaves alone whoever has something running', () => {
    const turns = createJobTurns()
    turns.begun('ana', false)
    turns.begun('ana', false)
    expect(turns.leaveAlone()).toEqual(['ana'])
    turns.ended('ana')
    expect(turns.leaveAlone()).toEqual(['ana'])
    turns.ended('ana')
    expect(turns.leaveAlone()).toEqual([])
  })

  it('gives each owner one turn in a round, and begins the next one when nobody is left', () => {
    const turns = createJobTurns()
    const order: string[] = []
    // Three owners with more jobs than there are rounds; the oldest are always Ana's, then Bea's.
    for (let picks = 0; picks < 9; picks++) {
      const alone = turns.leaveAlone()
      const next = ['ana', 'bea', 'cal'].find((owner) => !alone.includes(owner))
      if (next === undefined) continue
      turns.begun(next, true)
      turns.ended(next)
      order.push(next)
    }
    expect(order).toEqual(['ana', 'bea', 'cal', 'ana', 'bea', 'cal', 'ana'])
  })
})
