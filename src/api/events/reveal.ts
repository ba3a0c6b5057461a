import { ownCopy, type RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { TenantLog } from '../../domain/kernel/event-store.ts'
import { isSecret } from '../../domain/kernel/secret.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { channelSubject } from '../../domain/channel/channel.ts'
import { subjectOf as mediaSubject } from '../../domain/media/media.ts'
import type { Opener } from '../messages/opening.ts'

/**
 * Opens the sealed fields of events of one tenant, for as long as one request reads: whose key it was is looked up once per stream.
 * What opens something itself (tokens, app secrets) is left as it is; `renderEvent` blanks it.
 */
export function createRevealer({
  log,
  open,
}: {
  log: Pick<TenantLog, 'readStream'>
  open: Opener
}): (recorded: RecordedEvent) => Promise<RecordedEvent> {
  const contacts = new Map<string, Promise<string>>()

  function subjectOf({ stream, data }: RecordedEvent): Promise<string> | string {
    const { category, id } = stream
    switch (category) {
      case 'conversation':
        return typeof data['contactId'] === 'string'
          ? data['contactId']
          : remembered(id, async () => firstContact(log, stream.tenantId, 'conversation', id))
      case 'media':
        return remembered(`media ${id}`, async () => mediaSubject(id, (await firstContact(log, stream.tenantId, 'media', id)) || undefined))
      case 'contact':
        return id
      case 'channel':
        return channelSubject(id)
      case 'tenant':
        return 'tenant'
      case 'audit':
        return 'audit'
      case 'claim':
      case 'delivery':
      case 'user':
      case 'template':
      case 'account':
      case 'alert':
      case 'projection':
      case 'replay':
        return `${category}:${id}`
      default:
        return category satisfies never
    }
  }

  function remembered(key: string, find: () => Promise<string>): Promise<string> {
    const found = contacts.get(key) ?? find()
    contacts.set(key, found)
    return found
  }

  return async (recorded) => {
    const sealed = Object.entries(recorded.data).flatMap(([field, value]) =>
      isSecret(value) && 'sealed' in value ? [[field, value.sealed] as const] : [],
    )
    if (sealed.length === 0 || recorded.stream.category === 'channel') return recorded
    const subject = await subjectOf(recorded)
    const { tenantId } = recorded.stream
    const opened = await Promise.all(
      sealed.map(
        async ([field, text]) =>
          [field, revealed(recorded.type, field, await open({ tenantId, subject, eventId: recorded.id, field }, text))] as const,
      ),
    )
    return { ...recorded, ...ownCopy(recorded), data: { ...recorded.data, ...Object.fromEntries(opened) } }
  }
}

/** An opened field as clients see it: what was stored as the text of an object comes as the object; what was erased on purpose says so. */
export function revealed(type: string, field: string, text: string | null): unknown {
  if (text === null) return { erased: true }
  const isJson = field === 'content' || field === 'raw' || (type === 'AccountNewsReceived' && field === 'value')
  return isJson ? (JSON.parse(text) as unknown) : text
}

/** Whom the first event of a stream names; empty when it names nobody. */
async function firstContact(log: Pick<TenantLog, 'readStream'>, tenantId: string, category: 'conversation' | 'media', id: string): Promise<string> {
  for await (const { data } of log.readStream(streamRef(category, tenantId, id), { upTo: 1 })) {
    return typeof data['contactId'] === 'string' ? data['contactId'] : ''
  }
  return ''
}
