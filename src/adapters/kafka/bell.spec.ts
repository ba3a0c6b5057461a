import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { createBell } from './bell.ts'

describe('a bell', () => {
  it('wakes whoever asked before it rang, and everybody when it is over', async () => {
    const over = new AbortController()
    const bell = createBell(over.signal)
    const heard = bell.next()
    bell.ring()
    await heard
    const next = bell.next()
    over.abort()
    await next
    await createBell(over.signal).next()
  })

  it('leaves nothing behind on a signal that outlives it', () => {
    const { signal } = new AbortController()
    for (let nth = 0; nth < 20; nth++) createBell(signal).silence()
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })
})
