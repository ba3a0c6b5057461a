import fc from 'fast-check'
import { expect, it } from 'vitest'
import { planFleet, type LeasePlace, type Member } from './fleet-plan.ts'

const names = Array.from({ length: 17 }, (_, n) => (n < 4 ? `heavy-${n}` : `light-${n}`))
const groups = [['heavy-']]
const member = (owner: string, runs: readonly string[] = names): Member => ({ owner, runs })
const free = names.map((name): LeasePlace => ({ name, with: undefined }))
const placed = (plan: ReadonlyMap<string, string>): LeasePlace[] => names.map((name) => ({ name, with: plan.get(name) }))
const countOf = (plan: ReadonlyMap<string, string>, owner: string, prefix = ''): number =>
  [...plan].filter(([name, holder]) => holder === owner && name.startsWith(prefix)).length

it('gives everything to one who is alone', () => {
  const plan = planFleet([member('a')], free, groups)
  expect([...plan.values()]).toEqual(names.map(() => 'a'))
})

it('takes from one who had everything only what the one who came is to have, of the heavy ones and of the others', () => {
  const alone = planFleet([member('a')], free, groups)
  const both = planFleet([member('a'), member('b')], placed(alone), groups)
  expect([countOf(both, 'b', 'heavy-'), countOf(both, 'b', 'light-')]).toEqual([2, 6])
  expect([countOf(both, 'a', 'heavy-'), countOf(both, 'a', 'light-')]).toEqual([2, 7])
})

it('gives what somebody left to those who are there, and nothing of theirs to anybody else', () => {
  const three = planFleet([member('a'), member('b'), member('c')], free, groups)
  const two = planFleet([member('a'), member('c')], placed(three), groups)
  for (const [name, owner] of three) if (owner !== 'b') expect(two.get(name)).toBe(owner)
  expect(Math.abs(countOf(two, 'a', 'light-') - countOf(two, 'c', 'light-'))).toBeLessThanOrEqual(1)
})

it('gives nobody what it cannot run, and what nobody can run to nobody', () => {
  const plan = planFleet([member('new', names.slice(1)), member('api', ['light-4'])], free, groups)
  expect(plan.get('heavy-0')).toBeUndefined()
  expect([...plan].filter(([, owner]) => owner === 'api').map(([name]) => name)).toEqual(['light-4'])
  expect(plan.size).toBe(names.length - 1)
})

it('shares evenly, keeps to its own plan, and moves no more than the newcomers part, whoever is there', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }),
      fc.array(fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined }), { minLength: 17, maxLength: 17 }),
      (count, holders) => {
        const members = Array.from({ length: count }, (_, n) => member(`m${n}`))
        const before = names.map((name, n): LeasePlace => ({ name, with: holders[n] === undefined ? undefined : `m${holders[n]}` }))
        const plan = planFleet(members, before, groups)
        expect(plan.size).toBe(names.length)
        for (const prefix of ['heavy-', 'light-']) {
          const counts = members.map(({ owner }) => countOf(plan, owner, prefix))
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
        }
        expect(planFleet(members, placed(plan), groups)).toEqual(plan)
        const next = planFleet([...members, member('new')], placed(plan), groups)
        const moved = names.filter((name) => next.get(name) !== plan.get(name))
        expect(moved.length).toBe(countOf(next, 'new'))
      },
    ),
  )
})
