import { describe, expect, it } from 'vitest'
import { createTurns } from './turns.ts'

describe('taking turns', () => {
  it('gives a tenant with one channel as many turns as one with a hundred', () => {
    const turns = createTurns<string>()
    for (let index = 0; index < 100; index++) turns.add('big', `channel-${index}`, `big-${index}`)
    turns.add('small', 'only', 'small')
    const picked = Array.from({ length: 40 }, () => turns.pick((channel) => channel))
    expect(picked.filter((channel) => channel === 'small')).toHaveLength(20)
    expect(new Set(picked.filter((channel) => channel !== 'small')).size).toBe(20)
  })

  it('takes out who has nothing until it is added again', () => {
    const turns = createTurns<string>()
    turns.add('tenant', 'idle', 'idle')
    turns.add('tenant', 'busy', 'busy')
    const asked: string[] = []
    const pick = () =>
      turns.pick((channel) => {
        asked.push(channel)
        return channel === 'idle' ? undefined : channel
      })
    expect([pick(), pick(), pick()]).toEqual(['busy', 'busy', 'busy'])
    expect(asked.filter((channel) => channel === 'idle')).toHaveLength(1)
    turns.remove('tenant', 'busy')
    turns.add('tenant', 'idle', 'idle')
    expect(pick()).toBeUndefined()
    expect(asked.filter((channel) => channel === 'idle')).toHaveLength(2)
  })
})
