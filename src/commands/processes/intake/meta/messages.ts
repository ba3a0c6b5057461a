import type { Item } from './items.ts'
import { personOf } from './people.ts'
import { metaMessage } from './schema.ts'
import { timeOf } from './time.ts'
import type { NumberChange } from './translate.ts'
import { unreadable } from './unreadable.ts'

/** Types whose object is Meta's and can be shown as it is. Everything else is shown by its name with the whole message under `raw`. */
const shown = new Set(['text', 'image', 'video', 'audio', 'document', 'sticker', 'location', 'contacts', 'interactive', 'button', 'order'])

/** `value.messages[]` of the field `messages`. */
export const translateMessages = (change: NumberChange): readonly Item[] =>
  (change.value.messages ?? []).map((message, m) => translateMessage(message, `${change.path}.value.messages[${m}]`, change))

function translateMessage(raw: unknown, path: string, { phoneNumberId, people, receivedAt }: NumberChange): Item {
  const read = metaMessage.safeParse(raw)
  if (!read.success) return unreadable(path, read.error)
  const message = read.data
  const person = personOf({ waId: message.from, userId: message.from_user_id }, people)
  if (person === undefined) return { kind: 'unreadable', path, error: 'neither from nor from_user_id says who wrote it' }
  const replyTo = message.context?.id
  const object = message[message.type]
  const known = shown.has(message.type) && typeof object === 'object' && object !== null
  return {
    kind: 'message',
    path,
    phoneNumberId,
    person,
    message: {
      providerId: message.id,
      messageType: typeName(message.type),
      content: JSON.stringify(object === undefined || object === null ? {} : { [message.type]: object }),
      ...(known && message['referral'] === undefined ? {} : { raw: JSON.stringify(message) }),
      ...(replyTo === undefined ? {} : { replyTo: { providerId: replyTo } }),
      at: timeOf(message.timestamp, receivedAt),
    },
  }
}

/** Becomes a column that people filter by. */
const typeName = (type: string): string => (/^[a-z0-9_]{1,64}$/.test(type) ? type : 'unsupported')
