import { z } from 'zod'
import type { Person } from '../../../contacts/meet-contact.ts'
import type { ContactItem, Item } from './items.ts'
import { personOf } from './people.ts'
import { id, seconds } from './schema.ts'
import { timeOf } from './time.ts'
import type { NumberChange } from './change.ts'
import { unreadable } from './unreadable.ts'

/** Fields that say something of people beside their messages: that they go by another user id, and what they want to be sent. */

const maybeId = id.optional().catch(undefined)
const moved = z.looseObject({ previous: maybeId, current: maybeId }).optional().catch(undefined)

const userIdUpdate = z.looseObject({
  wa_id: maybeId,
  user_id: z.looseObject({ previous: maybeId, current: id }),
  parent_user_id: moved,
  timestamp: seconds.optional().catch(undefined),
})

const userPreference = z.looseObject({
  wa_id: maybeId,
  user_id: maybeId,
  parent_user_id: maybeId,
  category: z.string().regex(/^[a-z0-9_]{1,64}$/),
  value: z.string(),
  timestamp: seconds.optional().catch(undefined),
})

/** `user_id_update`: the number is there to find the person by; whether it is the former or the present one is nowhere said, so it replaces nothing. */
export const translateUserIds = (change: NumberChange): readonly Item[] =>
  listOf(change, 'user_id_update').map((raw, u) => {
    const path = `${change.path}.value.user_id_update[${u}]`
    const read = userIdUpdate.safeParse(raw)
    if (!read.success) return unreadable(path, read.error)
    const { wa_id: waId, user_id: userId, parent_user_id: parent, timestamp } = read.data
    const known = personOf({ waId, userId: userId.previous ?? userId.current, parentUserId: parent?.previous }, change.people)
    const now: Person = { bsuid: userId.current, parentBsuid: parent?.current }
    return contactItem(change, path, { person: known ?? {}, news: { kind: 'identity_replaced', now }, timestamp })
  })

/** Meta's word for messages of a purpose, in ours. A category that is still to come keeps its name. */
const purposes: Readonly<Record<string, string>> = { marketing_messages: 'marketing' }

/** `user_preferences`: somebody stopped or resumed marketing messages. */
export const translatePreferences = (change: NumberChange): readonly Item[] =>
  listOf(change, 'user_preferences').map((raw, u) => {
    const path = `${change.path}.value.user_preferences[${u}]`
    const read = userPreference.safeParse(raw)
    if (!read.success) return unreadable(path, read.error)
    const { wa_id: waId, user_id: userId, parent_user_id: parentUserId, category, value, timestamp } = read.data
    const person = personOf({ waId, userId, parentUserId }, change.people)
    if (person === undefined) return { kind: 'unreadable', path, error: 'neither wa_id nor user_id says who it is' }
    if (value !== 'stop' && value !== 'resume') return { kind: 'unreadable', path, error: 'the value is neither stop nor resume' }
    const purpose = Object.hasOwn(purposes, category) ? (purposes[category] ?? category) : category
    return contactItem(change, path, { person, news: { kind: 'consent', purpose, granted: value === 'resume', source: 'whatsapp' }, timestamp })
  })

function contactItem(
  { phoneNumberId, receivedAt }: NumberChange,
  path: string,
  { person, news, timestamp }: Pick<ContactItem, 'person' | 'news'> & { timestamp: string | number | undefined },
): ContactItem {
  return { kind: 'contact', path, phoneNumberId, person, news, at: timeOf(timestamp, receivedAt) }
}

/** An array, as documented; one alone is taken for an array of one. */
function listOf({ value }: NumberChange, name: string): readonly unknown[] {
  const list: unknown = value[name]
  return Array.isArray(list) ? list : list === undefined || list === null ? [] : [list]
}
