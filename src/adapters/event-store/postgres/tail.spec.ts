import { afterEach, describe, expect, it, vi } from 'vitest'
import { someEvents, someStream } from '../../../../tests/support/events.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import { positionOf } from '../../../domain/kernel/position.ts'
import { LogHole, type Page } from './read-log.ts'
import { createTail, type TailReader } from './tail.ts'

const stream = someStream()
/** The events from one position to another, as a batch of this process or a page of the database would bring them. */
const events = (from: number, to: number): RecordedEvent[] =>
  someEvents(to - from + 1).map((event, index) => ({
    ...event,
    stream,
    version: from + index,
    position: positionOf(from + index),
    recordedAt: new Date(0),
  }))
const never = new AbortController().signal

function openTail({ head = 0, limits = { events: 100, bytes: 1_000_000 }, database = 0 } = {}) {
  const reads: { after: number; limit: number }[] = []
  const log = { events: events(1, 500), reaches: database }
  const tail = createTail((after, limit) => {
    reads.push({ after, limit })
    const found = log.events.slice(after, Math.min(log.reaches, after + limit))
    return Promise.resolve<Page>({ events: found, through: after + found.length, weight: found.length * 100 })
  }, limits)
  tail.expectBlocks()
  tail.open(head)
  const reader = tail.reader({})
  const positions = (after: number, limit = 1_000) => reader.read(after, limit)?.events.map(({ position }) => Number(position))
  /** As the group commit tells it. */
  const committed = (from: number, to: number, weight: number) => tail.committed(from - 1, events(from, to), weight)
  return { tail, reads, log, positions, committed }
}

describe('the tail of the log in memory', () => {
  it('hands on a block as soon as it is committed, without reading it back', () => {
    const { reads, positions, committed } = openTail()
    committed(1, 3, 300)
    expect(positions(0)).toEqual([1, 2, 3])
    expect(positions(2)).toEqual([3])
    expect(positions(3)).toEqual([])
    expect(reads).toEqual([])
  })

  it('lets a block wait for the one before it, while that one may still come', () => {
    const { tail, reads, positions, committed } = openTail()
    const [first, second] = [tail.began(), tail.began()]
    committed(4, 6, 300)
    tail.ended(second)
    expect(positions(0)).toEqual([])
    expect(tail.complete()).toBe(false)
    committed(1, 3, 300)
    tail.ended(first)
    expect(positions(0)).toEqual([1, 2, 3, 4, 5, 6])
    expect(reads).toEqual([])
  })

  it('reads what another process wrote, once nobody here can bring it', async () => {
    const { tail, reads, positions, committed } = openTail({ database: 6 })
    const batch = tail.began()
    committed(4, 6, 300)
    expect(reads).toEqual([])
    tail.ended(batch)
    await tail.changed(0, never)
    expect(positions(0)).toEqual([1, 2, 3, 4, 5, 6])
    expect(reads).toEqual([{ after: 0, limit: 1_000 }])
  })

  it('reads what it only heard of, and forgets hearsay', async () => {
    const { tail, log, positions } = openTail({ database: 2 })
    tail.heard(2)
    await tail.changed(0, never)
    expect(positions(0)).toEqual([1, 2])
    tail.heard(400)
    await new Promise(setImmediate)
    expect(tail.complete()).toBe(true)
    log.reaches = 3
    tail.heard(3)
    await tail.changed(2, never)
    expect(positions(2)).toEqual([3])
  })

  it('adds the rest of a block of which a page brought the beginning', async () => {
    const { tail, positions, committed } = openTail({ database: 4 })
    const batch = tail.began()
    committed(3, 6, 400)
    tail.ended(batch)
    await tail.changed(0, never)
    expect(positions(0)).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('sends readers whom it has overtaken to the database, by number and by weight', () => {
    const { positions, committed } = openTail({ limits: { events: 10, bytes: 1_000_000 } })
    committed(1, 25, 2_500)
    expect(positions(14)).toBeUndefined()
    expect(positions(15)).toEqual([16, 17, 18, 19, 20, 21, 22, 23, 24, 25])
    const heavy = openTail({ limits: { events: 100, bytes: 1_000 } })
    heavy.committed(1, 4, 2_000)
    expect(heavy.positions(1)).toBeUndefined()
    expect(heavy.positions(2)).toEqual([3, 4])
  })

  it('lets go of what every reader has come past, and of nothing that one of them still needs', () => {
    const { tail, positions, committed } = openTail()
    const slow = tail.reader({})
    committed(1, 5, 500)
    expect(positions(5)).toEqual([])
    slow.read(2, 100)
    committed(6, 7, 200)
    expect(slow.read(2, 100)?.events.map(({ position }) => Number(position))).toEqual([3, 4, 5, 6, 7])
    expect(positions(1)).toBeUndefined()
    expect(positions(5)).toEqual([6, 7])
    slow.close()
    committed(8, 8, 100)
    expect(positions(4)).toBeUndefined()
    expect(positions(5)).toEqual([6, 7, 8])
  })

  it('keeps blocks that are committed while its head is being read, and drops those before it', () => {
    const { tail, committed, positions } = openTail()
    tail.close()
    tail.expectBlocks()
    committed(1, 3, 300)
    committed(4, 6, 300)
    tail.open(3)
    expect(tail.head()).toBe(6)
    expect(positions(3)).toEqual([4, 5, 6])
    expect(positions(2)).toBeUndefined()
  })

  it('keeps what somebody asked for, and sends who asks later to the database for the rest', () => {
    const tail = createTail(() => Promise.reject(new Error('nothing is missing')), { events: 100, bytes: 1_000_000 })
    tail.expectBlocks()
    tail.open(0)
    const commit = (before: number, ...types: string[]): void => {
      const all = events(before + 1, before + types.length).map((event, index) => ({ ...event, type: types[index] ?? '' }))
      tail.committed(
        before,
        all.map((event) => (tail.wants(event.type, stream.tenantId) ? event : undefined)),
        300,
      )
    }
    const read = (reader: TailReader, after: number) => {
      const page = reader.read(after, 100)
      return page === undefined ? 'database' : { types: page.events.map(({ type }) => type), through: page.through }
    }
    const first = tail.reader({ types: ['a'] })
    commit(0, 'a', 'b', 'a')
    const second = tail.reader({ types: ['b', 'c'], tenantId: stream.tenantId })
    commit(3, 'b', 'a', 'c', 'd')
    expect(read(first, 0)).toEqual({ types: ['a', 'a', 'a'], through: 7 })
    expect(read(second, 0)).toEqual({ types: [], through: 1 })
    expect(read(second, 1)).toBe('database')
    expect(read(second, 3)).toEqual({ types: ['b', 'c'], through: 7 })
    second.close()
    commit(7, 'b', 'a')
    expect(read(first, 7)).toEqual({ types: ['a'], through: 9 })
    expect(read(tail.reader({ types: ['b'] }), 7)).toBe('database')
  })

  describe('under load', () => {
    afterEach(() => {
      vi.useRealTimers()
    })

    it('hands on together what many commits brought within one beat, and loses nothing of it', () => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
      const { tail, positions, committed } = openTail()
      const heads: number[] = []
      for (let at = 1; at <= 400; at++) {
        committed(at, at, 100)
        if (tail.head() !== heads.at(-1)) heads.push(tail.head())
        positions(tail.head())
        vi.advanceTimersByTime(1)
      }
      // The first ones one by one, then one growth for each beat of 20 ms.
      expect(heads.slice(0, 3)).toEqual([1, 2, 3])
      expect(heads.length).toBeLessThan(30)
      vi.advanceTimersByTime(20)
      expect(tail.head()).toBe(400)
      expect(tail.complete()).toBe(true)
    })

    it('says that it is not complete while something waits for its beat', () => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
      const { tail, positions, committed } = openTail()
      for (let at = 1; at <= 5; at++) committed(at, at, 100)
      expect(tail.head()).toBeLessThan(5)
      expect(tail.complete()).toBe(false)
      vi.advanceTimersByTime(60)
      expect(positions(0)).toEqual([1, 2, 3, 4, 5])
    })

    it('takes what comes after a quiet while without waiting', () => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
      const { tail, committed } = openTail()
      for (let at = 1; at <= 10; at++) committed(at, at, 100)
      vi.advanceTimersByTime(1_000)
      committed(11, 11, 100)
      expect(tail.head()).toBe(11)
    })
  })

  it('breaks loudly when the database has a hole', async () => {
    const tail = createTail(() => Promise.reject(new LogHole('a hole')), { events: 10, bytes: 1_000 })
    tail.expectBlocks()
    tail.open(0)
    tail.heard(5)
    await tail.changed(0, never)
    expect(() => tail.reader({}).read(0, 10)).toThrow('a hole')
  })

  it('stops a wait when the signal says so', async () => {
    const { tail } = openTail()
    const stop = new AbortController()
    const waiting = tail.changed(0, stop.signal)
    stop.abort()
    await expect(waiting).resolves.toBeUndefined()
  })
})
