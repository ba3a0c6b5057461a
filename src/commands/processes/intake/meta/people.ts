import type { Person } from '../../../contacts/meet-contact.ts'
import { metaContact, type MetaContact } from './schema.ts'

/** Cards by every id they have. A delivery may hold thousands of both. */
export type Cards = ReadonlyMap<string, MetaContact>

export function cardsOf(contacts: readonly unknown[]): Cards {
  const cards = new Map<string, MetaContact>()
  for (const contact of contacts) {
    const card = metaContact.safeParse(contact).data
    for (const id of [card?.wa_id, card?.user_id]) if (card !== undefined && id !== undefined && !cards.has(id)) cards.set(id, card)
  }
  return cards
}

/** Who goes by these ids. The contact card is matched by id, never by its place: the arrays need not run side by side. */
export function personOf({ waId, userId }: { waId: string | undefined; userId: string | undefined }, people: Cards): Person | undefined {
  if (waId === undefined && userId === undefined) return undefined
  const card = (waId === undefined ? undefined : people.get(waId)) ?? (userId === undefined ? undefined : people.get(userId))
  return { waId: waId ?? card?.wa_id, bsuid: userId ?? card?.user_id, name: card?.profile?.name }
}
