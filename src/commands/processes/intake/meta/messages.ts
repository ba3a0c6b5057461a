import { changeOf } from './changes.ts'
import { messageOf, objectOf } from './content.ts'
import { groupNews, isOfGroup } from './groups.ts'
import type { Item } from './items.ts'
import { personOf } from './people.ts'
import { metaMessage, type MetaMessage } from './schema.ts'
import { formerNumber, identityReplaced } from './system.ts'
import { timeOf } from './time.ts'
import type { NumberChange } from './change.ts'
import { unreadable } from './unreadable.ts'

/** `value.messages[]` of the field `messages`. */
export function translateMessages(change: NumberChange): readonly Item[] {
  const messages = change.value.messages ?? []
  const read = messages.map((raw) => metaMessage.safeParse(raw))
  const errors = errorsFor(
    read.flatMap(({ data }) => (data === undefined ? [] : [data])),
    change.value.errors ?? [],
  )
  return read.flatMap((one, m) => {
    const path = `${change.path}.value.messages[${m}]`
    return one.success
      ? translateMessage({ message: one.data, raw: messages[m], errors: errors.get(one.data) }, path, change)
      : [unreadable(path, one.error)]
  })
}

type Read = { readonly message: MetaMessage; readonly raw: unknown; readonly errors: readonly unknown[] | undefined }

function translateMessage({ message, raw, errors }: Read, path: string, numberChange: NumberChange): readonly Item[] {
  const { phoneNumberId, people, receivedAt } = numberChange
  const ofGroup = isOfGroup(message) ? groupNews(message, path, numberChange, errors ?? []) : undefined
  const ids = { waId: message.from ?? formerNumber(message), userId: message.from_user_id, parentUserId: message.from_parent_user_id }
  const person = personOf(ids, people)
  if (person === undefined) return [ofGroup ?? { kind: 'unreadable', path, error: 'neither from nor from_user_id says who wrote it' }]
  const at = timeOf(message.timestamp, receivedAt)
  const change = ofGroup === undefined ? changeOf(message, at) : undefined
  if (change !== undefined) return [{ kind: 'change', path, phoneNumberId, person, by: 'contact', change }]
  const news = identityReplaced(message)
  return [
    ofGroup ?? { kind: 'message', path, phoneNumberId, person, message: messageOf(message, raw, receivedAt, errors) },
    ...(news === undefined ? [] : [{ kind: 'contact' as const, path: `${path}.system`, phoneNumberId, person, news, at }]),
  ]
}

/**
 * Errors of a value that has messages too say why those have no body, so they go to the ones without. Where every message has one the errors are about
 * something else: see `leftOver`.
 */
function errorsFor(messages: readonly MetaMessage[], errors: readonly unknown[]): ReadonlyMap<MetaMessage, readonly unknown[]> {
  return errors.length === 0 ? new Map() : new Map(messages.filter(isBare).map((message) => [message, errors]))
}

const isBare = (message: MetaMessage): boolean => objectOf(message) === undefined

/** Whether the errors of a value were told with one of its messages. */
export const errorsAreTold = (messages: readonly unknown[]): boolean =>
  messages.some((raw) => {
    const message = metaMessage.safeParse(raw).data
    return message !== undefined && isBare(message)
  })
