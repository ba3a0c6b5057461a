import { idsOf } from '../../contacts/identities.ts'
import type { Person } from '../../contacts/meet-contact.ts'

/**
 * Who is who in one page: items whose persons share an id, directly or over others, are one person's. So somebody who writes a thousand times is met once, and
 * two names of one person never race into two contacts. In order of first appearance; a person without any id stays alone.
 */
export function peopleOfPage<Item>(items: readonly Item[], of: (item: Item) => { tenantId: string; person: Person }): readonly (readonly Item[])[] {
  const groupOf = new Map<string, Group<Item>>()
  const all: Group<Item>[] = []
  for (const item of items) {
    const { tenantId, person } = of(item)
    const ids = idsOf(person).map(({ kind, canonical }) => `${tenantId} ${kind} ${canonical}`)
    const touched = [...new Set(ids.flatMap((id) => groupOf.get(id) ?? []))]
    // The biggest takes the others in, so a person of a thousand messages is not copied for each of them.
    const [group = { items: [], ids: [] }, ...others] = touched.toSorted((a, b) => b.items.length - a.items.length)
    if (touched.length === 0) all.push(group)
    group.items.push(item)
    for (const other of others) group.items.push(...other.items.splice(0))
    for (const id of [...ids, ...others.flatMap((other) => other.ids)]) {
      if (groupOf.get(id) === group) continue
      groupOf.set(id, group)
      group.ids.push(id)
    }
  }
  return all.flatMap((group) => (group.items.length === 0 ? [] : [group.items]))
}

type Group<Item> = { readonly items: Item[]; readonly ids: string[] }
