import type { Item } from './meta/items.ts'

/** A change in the address book is soon done; a whole one is not. */
const fewEntries = 50

/**
 * Whether nobody waits for any of it: messages of history, what happened to them, how far the history has come, and a whole address book. What of it cannot
 * be read waits with the rest: one odd message must not bring thirty thousand good ones back into a page.
 */
export const mayWait = (items: readonly Item[]): boolean =>
  (items.some(isOfHistory) || items.filter(isOfAddressBook).length > fewEntries) &&
  items.every(
    (item) =>
      isOfHistory(item) ||
      isOfAddressBook(item) ||
      item.kind === 'change' ||
      item.kind === 'unreadable' ||
      (item.kind === 'news' && ofPhone.has(item.field)),
  )

const isOfHistory = (item: Item): boolean => item.kind === 'recorded' && item.origin === 'history'
const isOfAddressBook = (item: Item): boolean => item.kind === 'contact' && item.news.kind === 'address_book'
const ofPhone: ReadonlySet<string> = new Set(['history', 'smb_app_state_sync'])
