import { idsOf } from '../../contacts/identities.ts'
import type { Person } from '../../contacts/meet-contact.ts'

/**
 * Who is who in one page: items whose persons share an id, directly or over others, are one person's. So somebody who writes a thousand times is met once, and
 * two names of one person never race into two contacts. In order of first appearance, and so is what one person has; a person without any id stays alone.
 * `persons`: an item may name its person several times, as who changes the number is named by the former one and by the new one.
 */
export function peopleOfPage<Item>(
  items: readonly Item[],
  of: (item: Item) => { tenantId: string; persons: readonly Person[] },
): readonly (readonly Item[])[] {
  const groupOf = new Map<string, Group<Item>>()
  const all: Group<Item>[] = []
  for (const [place, item] of items.entries()) {
    const { tenantId, persons } = of(item)
    let group: Group<Item> | undefined
    const ids: string[] = []
    for (const person of persons) {
      for (const { kind, canonical } of idsOf(person)) {
        const id = `${tenantId} ${kind} ${canonical}`
        ids.push(id)
        const known = groupOf.get(id)
        if (known !== undefined) group = group === undefined || group === known ? known : joined(group, known, groupOf)
      }
    }
    if (group === undefined) all.push((group = { items: [], places: [], ids: [], isJoined: false }))
    group.items.push(item)
    group.places.push(place)
    for (const id of ids) {
      if (groupOf.get(id) === group) continue
      groupOf.set(id, group)
      group.ids.push(id)
    }
  }
  if (!all.some(({ isJoined }) => isJoined)) return all.map(({ items }) => items)
  return all
    .filter(({ items }) => items.length > 0)
    .map(inOrder)
    .toSorted(([a = 0], [b = 0]) => a - b)
    .map((places) => places.flatMap((place) => items[place] ?? []))
}

/** `places`: of its items among all. A group that another one took in is left empty. */
type Group<Item> = { readonly items: Item[]; readonly places: number[]; readonly ids: string[]; isJoined: boolean }

const inOrder = ({ places }: Group<unknown>): readonly number[] => places.toSorted((a, b) => a - b)

/** The bigger takes the other one in, so a person of a thousand messages is not copied for each of them. */
function joined<Item>(one: Group<Item>, other: Group<Item>, groupOf: Map<string, Group<Item>>): Group<Item> {
  const [bigger, smaller] = one.items.length < other.items.length ? [other, one] : [one, other]
  for (const item of smaller.items.splice(0)) bigger.items.push(item)
  for (const place of smaller.places.splice(0)) bigger.places.push(place)
  for (const id of smaller.ids.splice(0)) {
    groupOf.set(id, bigger)
    bigger.ids.push(id)
  }
  bigger.isJoined = true
  smaller.isJoined = true
  return bigger
}
