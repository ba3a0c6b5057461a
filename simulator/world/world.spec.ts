import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createBoundedMap } from './bounded-map.ts'
import { takePair, takeThroughput, windowOpen } from './limits.ts'
import { createScheduler } from './scheduler.ts'
import type { PhoneNumber, Thread } from './world.ts'

describe('a bounded map', () => {
  it('forgets the oldest entry and says so', () => {
    const evicted: number[] = []
    const map = createBoundedMap<string, number>(2, (value) => evicted.push(value))
    map.set('a', 1)
    map.set('b', 2)
    map.set('c', 3)
    expect([...map.values()]).toEqual([2, 3])
    expect(evicted).toEqual([1])
  })
  it('does not count a change as a new entry', () => {
    const map = createBoundedMap<string, number>(2)
    map.set('a', 1)
    map.set('b', 2)
    map.set('a', 10)
    expect([...map.values()]).toEqual([10, 2])
  })
  it('keeps an entry that was deleted and set again', () => {
    const map = createBoundedMap<string, number>(2)
    map.set('a', 1)
    map.set('b', 2)
    map.delete('a')
    map.set('a', 3)
    expect(map.get('a')).toBe(3)
    expect(map.get('b')).toBe(2)
    expect(map.size()).toBe(2)
  })
})

describe('the scheduler', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('runs tasks when they are due, in order, whatever the order they came in', () => {
    const scheduler = createScheduler()
    const ran: string[] = []
    scheduler.after(30, () => ran.push('30'))
    scheduler.after(10, () => ran.push('10a'))
    scheduler.after(20, () => {
      ran.push('20')
      scheduler.after(5, () => ran.push('20+5'))
    })
    scheduler.after(10, () => ran.push('10b'))
    vi.advanceTimersByTime(15)
    expect(ran).toEqual(['10a', '10b'])
    vi.advanceTimersByTime(100)
    expect(ran).toEqual(['10a', '10b', '20', '20+5', '30'])
    expect(scheduler.pending()).toBe(0)
  })
  it('runs thousands of tasks in the order of their moments', () => {
    const scheduler = createScheduler()
    const ran: number[] = []
    const delays = Array.from({ length: 5_000 }, (_, at) => (at * 7919) % 1000)
    for (const delay of delays) scheduler.after(delay, () => ran.push(delay))
    vi.advanceTimersByTime(2_000)
    expect(ran).toEqual(delays.toSorted((a, b) => a - b))
  })
  it('forgets everything when it is cleared', () => {
    const scheduler = createScheduler()
    const task = vi.fn()
    scheduler.after(10, task)
    scheduler.clear()
    vi.advanceTimersByTime(100)
    expect(task).not.toHaveBeenCalled()
  })
})

describe('the limits', () => {
  const number = (): PhoneNumber => ({ tokens: Infinity, tokens_at: 0 }) as PhoneNumber
  const thread = (): Thread => ({ key: 'k', pair_tat: 0, recent: [] })

  it('let a number send one second worth at once, and then as fast as it may', () => {
    const own = number()
    const at = (now: number, tries: number): number => Array.from({ length: tries }, () => takeThroughput(own, 80, now)).filter(Boolean).length
    expect(at(1_000, 100)).toBe(80)
    expect(at(1_000, 1)).toBe(0)
    expect(at(1_500, 100)).toBe(40)
    expect(at(60_000, 200)).toBe(80)
  })
  it('let 45 messages to one customer through at once, then one in six seconds', () => {
    const own = thread()
    const at = (now: number, tries: number): number => Array.from({ length: tries }, () => takePair(own, now)).filter(Boolean).length
    expect(at(1_000_000, 60)).toBe(45)
    expect(at(1_005_999, 5)).toBe(0)
    expect(at(1_006_000, 5)).toBe(1)
    expect(at(1_000_000 + 45 * 6_000 + 6_000, 60)).toBe(45)
  })
  it('close the window 24 hours after the last message of the customer', () => {
    const own: Thread = { ...thread(), last_inbound_at: 0 }
    expect(windowOpen(own, 24 * 3_600_000 - 1)).toBe(true)
    expect(windowOpen(own, 24 * 3_600_000)).toBe(false)
    expect(windowOpen(thread(), 0)).toBe(false)
  })
})
