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

export type MetaIds = { readonly waId: string | undefined; readonly userId: string | undefined; readonly parentUserId?: string | undefined }

/**
 * Who goes by these ids. The contact card is matched by id, never by its place: the arrays need not run side by side. An id that the card adds is the same
 * person's only where no id of the two says otherwise.
 */
export function personOf({ waId, userId, parentUserId }: MetaIds, people: Cards): Person | undefined {
  if (waId === undefined && userId === undefined && parentUserId === undefined) return undefined
  const card = (userId === undefined ? undefined : people.get(userId)) ?? (waId === undefined ? undefined : people.get(waId))
  const same = card !== undefined && agree(userId, card.user_id)
  const username = same ? nameIn(card.profile?.username?.replace(/^@/, '')) : undefined
  return {
    waId: waId ?? (same ? card.wa_id : undefined),
    bsuid: userId ?? card?.user_id,
    parentBsuid: parentUserId ?? (same ? card.parent_user_id : undefined),
    name: same ? nameIn(card.profile?.name) : undefined,
    ...(username === undefined ? {} : { username }),
  }
}

const agree = (a: string | undefined, b: string | undefined): boolean => a === undefined || b === undefined || a === b
const nameIn = (text: string | undefined): string | undefined => (text === undefined || text.trim() === '' ? undefined : text)
