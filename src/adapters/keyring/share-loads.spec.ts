import { describe, expect, it } from 'vitest'
import { shareLoads } from './share-loads.ts'

describe('sharing loads', () => {
  it('loads once for all who ask in the same turn, and once per key', async () => {
    const loads: string[][] = []
    const ask = shareLoads<string, string>(async (items) => {
      loads.push([...items])
      return items.map((item) => ({ value: item.toUpperCase() }))
    })
    expect(await Promise.all([ask('a', 'a'), ask('b', 'b'), ask('a', 'a')])).toEqual(['A', 'B', 'A'])
    expect(loads).toEqual([['a', 'b']])
  })

  it('lets those who come during a load share the next one', async () => {
    const loads: string[][] = []
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const ask = shareLoads<string, string>(async (items) => {
      const gate = gates[loads.length]
      loads.push([...items])
      await gate?.promise
      return items.map((value) => ({ value }))
    })
    const first = ask('a', 'a')
    await expect.poll(() => loads.length).toBe(1)
    const others = [ask('b', 'b'), ask('c', 'c')]
    gates[0]?.resolve()
    gates[1]?.resolve()
    await Promise.all([first, ...others])
    expect(loads).toEqual([['a'], ['b', 'c']])
  })

  it('fails those who shared a failed load and nobody after them', async () => {
    let down = true
    const ask = shareLoads<string, string>(async (items) => {
      if (down) throw new Error('database down')
      return items.map((value) => ({ value }))
    })
    const results = await Promise.allSettled([ask('a', 'a'), ask('b', 'b')])
    expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected'])
    down = false
    expect(await ask('a', 'a')).toBe('a')
  })

  it('fails only those who asked for what is broken', async () => {
    const ask = shareLoads<string, string>(async (items) =>
      items.map((item) => (item === 'broken' ? { error: new Error('broken key') } : { value: item })),
    )
    const results = await Promise.allSettled([ask('a', 'a'), ask('broken', 'broken'), ask('b', 'b')])
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })
})
