import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { positionOf, start, type Position } from '../../domain/kernel/position.ts'
import { createMerge, type Found, type Merge } from './merge.ts'

const event = undefined as RecordedEvent | undefined
const at = (offset: number, position: number): Found => ({ offset, position: positionOf(position), event })
const positions = (merged: { found: readonly Found[] } | undefined): number[] => (merged?.found ?? []).map(({ position }) => Number(position))

describe('partitions put back into one order', () => {
  it('hands out nothing that another partition may still precede', () => {
    const merge = createMerge({ after: start, offsets: [0, 0] })
    merge.fetched(0, [at(0, 2)], 1, positionOf(2))
    expect(merge.take(10)).toBeUndefined()
    merge.fetched(1, [at(0, 1), at(1, 3)], 2, positionOf(3))
    const merged = merge.take(10)
    expect(positions(merged)).toEqual([1, 2])
    expect(merged).toMatchObject({ through: positionOf(2), offsets: [1, 1] })
  })

  it('learns from a watermark that nothing is missing from a quiet partition', () => {
    const merge = createMerge({ after: start, offsets: [0, 0] })
    merge.fetched(0, [at(0, 1), at(1, 2)], 2, positionOf(2))
    merge.published({ through: positionOf(5), ends: [2, 0] })
    const merged = merge.take(10)
    expect(positions(merged)).toEqual([1, 2])
    expect(merged).toMatchObject({ through: positionOf(5), offsets: [2, 0] })
    expect(merge.atTheTip()).toBe(true)
  })

  it('does not take a watermark for a partition whose end it has not read yet', () => {
    const merge = createMerge({ after: start, offsets: [0, 0] })
    merge.published({ through: positionOf(5), ends: [1, 1] })
    merge.fetched(0, [at(0, 4)], 1, positionOf(4))
    expect(merge.take(10)).toBeUndefined()
    merge.fetched(1, [at(0, 3)], 1, positionOf(3))
    expect(positions(merge.take(10))).toEqual([3, 4])
  })

  it('gives a page as many records as were asked for, and the place in the middle of them', () => {
    const merge = createMerge({ after: start, offsets: [0, 0] })
    merge.fetched(0, [at(0, 1), at(1, 3)], 2, positionOf(3))
    merge.fetched(1, [at(0, 2), at(1, 4)], 2, positionOf(4))
    merge.published({ through: positionOf(4), ends: [2, 2] })
    expect(merge.take(3)).toMatchObject({ through: positionOf(3), offsets: [2, 1] })
    expect(merge.atTheTip()).toBe(false)
    expect(positions(merge.take(3))).toEqual([4])
  })

  it('leaves out what came before its place, and what comes twice', () => {
    const merge = createMerge({ after: positionOf(2), offsets: [0] })
    merge.fetched(0, [at(0, 1), at(1, 2), at(2, 3)], 3, positionOf(3))
    merge.fetched(0, [at(1, 2), at(2, 3)], 3, positionOf(3))
    merge.fetched(0, [at(2, 3), at(3, 3), at(4, 4)], 5, positionOf(4))
    merge.published({ through: positionOf(4), ends: [5] })
    expect(positions(merge.take(10))).toEqual([3, 4])
    expect(merge.take(10)).toBeUndefined()
  })

  it('goes on over offsets that hold nothing: what a transaction leaves behind', () => {
    const merge = createMerge({ after: start, offsets: [0, 0] })
    merge.fetched(0, [at(0, 1)], 1, positionOf(1))
    merge.fetched(1, [], 1, undefined)
    merge.published({ through: positionOf(1), ends: [1, 1] })
    expect(positions(merge.take(10))).toEqual([1])
  })

  it('is the log again, however its records are spread, fetched and broken off', () => {
    const world = fc.record({
      partitions: fc.integer({ min: 1, max: 5 }),
      // Of each event of the log: its partition, whether the follower asks for it, and how many offsets in front of it hold nothing.
      log: fc.array(fc.record({ partition: fc.nat(4), wanted: fc.boolean(), gap: fc.nat(2) }), { minLength: 1, maxLength: 80 }),
      steps: fc.array(fc.record({ what: fc.constantFrom('fetch', 'fetch', 'watermark', 'take', 'restart'), partition: fc.nat(4), size: fc.nat(9) }), {
        maxLength: 300,
      }),
    })
    fc.assert(
      fc.property(world, ({ partitions, log, steps }) => {
        const topic = Array.from({ length: partitions }, () => [] as ((Found & { wanted: boolean }) | undefined)[])
        /** After each event: its watermark. */
        const marks: { through: Position; ends: number[] }[] = []
        for (const [index, { partition, wanted, gap }] of log.entries()) {
          const records = topic[partition % partitions] ?? []
          for (let hole = 0; hole < gap; hole++) records.push(undefined)
          records.push({ ...at(records.length, index + 1), wanted })
          marks.push({ through: positionOf(index + 1), ends: topic.map(({ length }) => length) })
        }
        let known = 0
        let place: { through: Position; offsets: readonly number[] } = { through: start, offsets: topic.map(() => 0) }
        let merge: Merge = createMerge({ after: place.through, offsets: place.offsets })
        const got: number[] = []
        const fetch = (partition: number, size: number): void => {
          const from = merge.next(partition)
          const slice = (topic[partition] ?? []).slice(from, from + size)
          const records = slice.filter((one) => one !== undefined)
          const wanted = records.filter((one) => one.wanted)
          merge.fetched(partition, wanted, from + slice.length, records.at(-1)?.position)
        }
        const take = (limit: number): boolean => {
          const merged = merge.take(limit)
          if (merged === undefined) return false
          got.push(...positions(merged))
          expect(merged.through >= place.through).toBe(true)
          place = merged
          return true
        }
        const tell = (mark: number): void => {
          known = Math.max(known, Math.min(mark, marks.length - 1))
          const told = marks[known]
          if (told !== undefined) merge.published(told)
        }
        for (const { what, partition, size } of steps) {
          if (what === 'fetch') fetch(partition % partitions, size)
          else if (what === 'take') take(size + 1)
          else if (what === 'watermark') tell(known + size)
          else merge = createMerge({ after: place.through, offsets: place.offsets })
          // Nothing later than what is certain may be out: it would have overtaken something.
          expect(got).toEqual(log.flatMap(({ wanted }, index) => (wanted && positionOf(index + 1) <= place.through ? [index + 1] : [])))
        }
        tell(marks.length)
        for (let partition = 0; partition < partitions; partition++) fetch(partition, 1_000)
        while (take(7));
        expect(got).toEqual(log.flatMap(({ wanted }, index) => (wanted ? [index + 1] : [])))
        expect(place.through).toBe(positionOf(log.length))
        expect(merge.atTheTip()).toBe(true)
      }),
      { numRuns: 400 },
    )
  })
})
