import type { z } from 'zod'
import type { Change, NumberChange } from './change.ts'
import { translateAddressBook, translateEchoes, translateHistory, withoutPeople } from './coexistence.ts'
import { translatePreferences, translateUserIds } from './identities.ts'
import type { Item, NewsItem } from './items.ts'
import { translateLeftOver } from './left-over.ts'
import { translateMessages } from './messages.ts'
import { cardsOf } from './people.ts'
import { metaChange, metaDelivery, metaEntry } from './schema.ts'
import { translateStatuses } from './statuses.ts'
import { timeOf } from './time.ts'
import { numberIn, wabaIn } from '../../../deliveries/whose.ts'
import { unreadable } from './unreadable.ts'

/** Fields that concern one number and its customers. Everything else is news of the account. */
const numberFields: Readonly<Record<string, (change: NumberChange) => readonly Item[]>> = {
  messages: (change) => [...translateMessages(change), ...translateStatuses(change), ...translateLeftOver(change)],
  user_id_update: translateUserIds,
  user_preferences: translatePreferences,
  smb_message_echoes: translateEchoes,
  history: translateHistory,
  smb_app_state_sync: translateAddressBook,
}

/**
 * More than the largest delivery (3 MiB) can hold of anything that Meta sends, of which Meta itself puts 1,000 together. A million empty objects fit in, too,
 * and each took 20 µs and a kilobyte to find out that it is nothing: 20 s in which nobody's messages came through.
 */
const mostElements = 60_000

/**
 * Reads a delivery, layer by layer, so that one odd entry costs its neighbours nothing. Never throws: what cannot be read becomes an item of its own.
 * `bytes`: of its JSON, where an element takes two at the least, so that what is small enough need not be counted.
 */
export function translate(delivery: unknown, receivedAt: Date, bytes = Number.POSITIVE_INFINITY): readonly Item[] {
  if (bytes >= 2 * mostElements && hasMoreElements(delivery, mostElements))
    return [{ kind: 'unreadable', path: '', error: `the delivery has more than ${mostElements} elements` }]
  return parsed(metaDelivery, delivery, (d) => d.entry, []).flatMap((raw, e) =>
    parsed(
      metaEntry,
      raw,
      (entry) => entry.changes.flatMap((change, c) => translateChange(change, { path: `entry[${e}].changes[${c}]`, entry, receivedAt })),
      [],
    ),
  )
}

function translateChange(
  raw: unknown,
  { path, entry, receivedAt }: { path: string; entry: z.infer<typeof metaEntry>; receivedAt: Date },
): readonly Item[] {
  const read = metaChange.safeParse(raw)
  if (!read.success) return [unreadable(path, read.error)]
  const { field, value } = read.data
  const at = timeOf(value.timestamp ?? entry.time, receivedAt)
  const change: Change = { path, field, wabaId: entry.id ?? '', value, people: cardsOf(value.contacts ?? []), at, receivedAt }
  const translator = Object.hasOwn(numberFields, field) ? numberFields[field] : undefined
  if (translator === undefined) return [newsOf(change)]
  const phoneNumberId = value.metadata?.phone_number_id
  if (phoneNumberId !== undefined) return translator({ ...change, phoneNumberId })
  const empty = (value.messages ?? []).length + (value.statuses ?? []).length === 0
  return field === 'messages' && empty ? [] : [{ kind: 'unreadable', path, error: 'value.metadata.phone_number_id is missing' }]
}

const newsOf = (change: Change): NewsItem => ({
  kind: 'news',
  path: change.path,
  field: change.field,
  wabaId: wabaIn(change.value) ?? change.wabaId,
  phoneNumberId: numberIn(change.value),
  value: withoutPeople(change),
  at: change.at,
  dated: change.at !== change.receivedAt.toISOString(),
})

/** Of all its arrays together, however deep. */
function hasMoreElements(delivery: unknown, most: number): boolean {
  const open: unknown[] = [delivery]
  let elements = 0
  while (open.length > 0) {
    const value = open.pop()
    if (typeof value !== 'object' || value === null) continue
    if (Array.isArray(value) && (elements += value.length) > most) return true
    for (const inner of Object.values(value)) if (typeof inner === 'object') open.push(inner)
  }
  return false
}

function parsed<T, R>(schema: z.ZodType<T>, value: unknown, then: (value: T) => R, otherwise: R): R {
  const read = schema.safeParse(value)
  return read.success ? then(read.data) : otherwise
}
