import { array, assert, constantFrom, property, record, option } from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Person } from '../../contacts/meet-contact.ts'
import { peopleOfPage } from './people-of-page.ts'

type Entry = { tenantId: string; person: Person }
const of = ({ tenantId, person }: Entry) => ({ tenantId, persons: [person] })
const entry = (person: Person, tenantId = 't'): Entry => ({ tenantId, person })

describe('the people of a page', () => {
  it('are one where they share an id, also over a third', () => {
    const phone = entry({ waId: '15550002222' })
    const hidden = entry({ bsuid: 'US.1' })
    const both = entry({ waId: '15550002222', bsuid: 'US.1' })
    const other = entry({ waId: '15550003333' })
    expect(peopleOfPage([phone, hidden, other, both], of).map((group) => group.length)).toEqual([3, 1])
  })
  it('are one under both spellings of a Brazilian mobile', () => {
    expect(peopleOfPage([entry({ waId: '556181234567' }), entry({ waId: '5561981234567' })], of)).toHaveLength(1)
  })
  it('are nobody else of another tenant', () => {
    expect(peopleOfPage([entry({ waId: '1' }, 'a'), entry({ waId: '1' }, 'b')], of)).toHaveLength(2)
  })
  it('are the connected components of what they share, and nobody gets lost', () => {
    const id = (kind: string) => option(constantFrom(...['1', '2', '3', '4'].map((n) => kind + n)), { nil: undefined })
    const person = record({ waId: id('1555000'), bsuid: id('US.'), parentBsuid: id('US.ENT.') })
    assert(
      property(array(person.filter(({ waId, bsuid, parentBsuid }) => (waId ?? bsuid ?? parentBsuid) !== undefined)), (persons) => {
        const entries = persons.map((one) => entry(one))
        const groups = peopleOfPage(entries, of)
        expect(new Set(groups.flat())).toEqual(new Set(entries))
        expect(groups.flat()).toHaveLength(entries.length)
        const idsIn = groups.map((group) => new Set(group.flatMap(({ person }) => Object.values(person).filter((value) => value !== undefined))))
        // Two groups share nothing, and no group falls apart.
        for (const [index, ids] of idsIn.entries()) for (const other of idsIn.slice(index + 1)) expect(ids.isDisjointFrom(other)).toBe(true)
        for (const group of groups)
          expect(group.map((one) => entries.indexOf(one))).toEqual(group.map((one) => entries.indexOf(one)).toSorted((a, b) => a - b))
        for (const group of groups) expect(connected(group.map(({ person }) => person))).toBe(true)
      }),
    )
  })
})

function connected(persons: readonly Person[]): boolean {
  const values = (person: Person | undefined) => Object.values(person ?? {}).filter((value) => value !== undefined)
  const seen = new Set<string>(values(persons[0]))
  for (let before = -1; before !== seen.size;) {
    before = seen.size
    for (const person of persons) if (values(person).some((value) => seen.has(value))) for (const value of values(person)) seen.add(value)
  }
  return persons.every((person) => values(person).some((value) => seen.has(value)))
}
