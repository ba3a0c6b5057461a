import { createHash } from 'node:crypto'
import type { NumberChange } from './change.ts'
import { typeName } from './content.ts'
import type { NewsItem } from './items.ts'
import { id, type MetaMessage } from './schema.ts'
import { timeOf } from './time.ts'

/** Also where the group's id is nothing that we can read: taken for private, it would open the writer's window and count as unread. */
export const isOfGroup = ({ group_id: group }: MetaMessage): boolean => group !== undefined && group !== null && group !== ''

/**
 * A conversation is with one person, so what somebody wrote, or did to a message, in a group does not belong into theirs. It is kept as news of the
 * account, which say that there was something and never who wrote what: the account's key outlives the people of its groups. The whole of it stays in the
 * sealed delivery. In place of Meta's id, which has the writer's number in it, stands a hash: it tells the messages of one second apart, and a repeat from both.
 */
export function groupNews(message: MetaMessage, path: string, change: NumberChange, extra: readonly unknown[]): NewsItem {
  const { field, wabaId, phoneNumberId, receivedAt } = change
  const at = timeOf(message.timestamp, receivedAt)
  const group = id.safeParse(message['group_id']).data
  const errors = [...(Array.isArray(message['errors']) ? (message['errors'] as unknown[]) : []), ...extra]
  const value = {
    event: 'group_message',
    ...(group === undefined ? {} : { group_id: group }),
    type: typeName(message.type),
    message: createHash('sha256').update(message.id).digest('hex').slice(0, 16),
    ...(errors.length === 0 ? {} : { errors }),
  }
  return { kind: 'news', path, field, wabaId, phoneNumberId, value, at, dated: at !== receivedAt.toISOString() }
}
