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
    const ids = persons.flatMap(idsOf).map(({ kind, canonical }) => `${tenantId} ${kind} ${canonical}`)
    const touched = [...new Set(ids.flatMap((id) => groupOf.get(id) ?? []))]
    // The biggest takes the others in, so a person of a thousand messages is not copied for each of them.
    const [group = { items: [], ids: [] }, ...others] = touched.toSorted((a, b) => b.items.length - a.items.length)
    if (touched.length === 0) all.push(group)
    group.items.push({ item, place })
    for (const other of others) for (const one of other.items.splice(0)) group.items.push(one)
    for (const id of [...ids, ...others.flatMap((other) => other.ids)]) {
      if (groupOf.get(id) === group) continue
      groupOf.set(id, group)
      group.ids.push(id)
    }
  }
  return all
    .filter((group) => group.items.length > 0)
    .map((group) => group.items.toSorted((a, b) => a.place - b.place))
    .toSorted(([a], [b]) => (a?.place ?? 0) - (b?.place ?? 0))
    .map((group) => group.map(({ item }) => item))
}

type Group<Item> = { readonly items: { readonly item: Item; readonly place: number }[]; readonly ids: string[] }
