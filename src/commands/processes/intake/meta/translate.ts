import type { z } from 'zod'
import { providerStatuses, type MessageError, type ProviderStatus } from '../../../../domain/conversation/events.ts'
import { explain } from '../../../../domain/conversation/provider-errors.ts'
import type { RecordStatus } from '../../../../domain/conversation/statuses.ts'
import type { Person } from '../../../contacts/meet-contact.ts'
import {
  metaError,
  metaChange,
  metaContact,
  metaDelivery,
  metaEntry,
  metaMessage,
  metaStatus,
  type MetaContact,
  type MetaMessage,
  type MetaStatus,
} from './schema.ts'

/** What a delivery says, item by item, in our words. `path` leads back to the place in the raw delivery. */
export type Item =
  | { readonly kind: 'message'; readonly path: string; readonly phoneNumberId: string; readonly person: Person; readonly message: InboundMessage }
  | {
      readonly kind: 'status'
      readonly path: string
      readonly phoneNumberId: string
      readonly callbackId: string | undefined
      readonly report: StatusReport
    }
  | { readonly kind: 'unreadable'; readonly path: string; readonly error: string }

export type InboundMessage = {
  readonly providerId: string
  readonly messageType: string
  /** JSON text of `{"<type>": <Meta's object>}`. */
  readonly content: string
  readonly raw?: string
  readonly replyTo?: { readonly providerId: string }
  readonly at: string
}

export type StatusReport = Pick<RecordStatus, 'providerId' | 'status' | 'at' | 'error' | 'pricing'>

/** Types whose object is Meta's and can be shown as it is. Everything else is shown by its name with the whole message under `raw`. */
const shown = new Set(['text', 'image', 'video', 'audio', 'document', 'sticker', 'location', 'contacts', 'interactive', 'button', 'order'])

/** Reads a delivery. Never throws: what cannot be read becomes an item of its own. Fields other than `messages` have no items yet; they stay in the delivery. */
export function translate(delivery: unknown, receivedAt: Date): readonly Item[] {
  return parsed(metaDelivery, delivery, (d) => d.entry, [])
    .flatMap((entry, e) => parsed(metaEntry, entry, (x) => x.changes, []).map((change, c) => ({ change, path: `entry[${e}].changes[${c}]` })))
    .flatMap(({ change, path }) => translateChange(change, path, receivedAt))
}

function translateChange(raw: unknown, path: string, receivedAt: Date): readonly Item[] {
  const change = metaChange.safeParse(raw)
  if (!change.success || change.data.field !== 'messages') return []
  const { metadata, contacts = [], messages = [], statuses = [] } = change.data.value
  if (metadata === undefined) {
    return messages.length + statuses.length === 0 ? [] : [{ kind: 'unreadable', path, error: 'value.metadata.phone_number_id is missing' }]
  }
  const phoneNumberId = metadata.phone_number_id
  const people = cardsOf(contacts)
  return [
    ...messages.map((message, m) => translateMessage(message, `${path}.value.messages[${m}]`, { phoneNumberId, people, receivedAt })),
    ...statuses.map((status, s) => translateStatus(status, `${path}.value.statuses[${s}]`, { phoneNumberId, receivedAt })),
  ]
}

function translateMessage(
  raw: unknown,
  path: string,
  { phoneNumberId, people, receivedAt }: { phoneNumberId: string; people: Cards; receivedAt: Date },
): Item {
  const read = metaMessage.safeParse(raw)
  if (!read.success) return unreadable(path, read.error)
  const message = read.data
  const person = personOf(message, people)
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

function translateStatus(raw: unknown, path: string, { phoneNumberId, receivedAt }: { phoneNumberId: string; receivedAt: Date }): Item {
  const read = metaStatus.safeParse(raw)
  if (!read.success) return unreadable(path, read.error)
  const { id, status, timestamp, biz_opaque_callback_data: callbackId, pricing } = read.data
  if (!isProviderStatus(status)) return { kind: 'unreadable', path, error: 'the status is none that we know' }
  const error = errorOf(read.data)
  return {
    kind: 'status',
    path,
    phoneNumberId,
    callbackId,
    report: {
      providerId: id,
      status,
      at: timeOf(timestamp, receivedAt),
      ...(error === undefined ? {} : { error }),
      ...(pricing === undefined ? {} : { pricing }),
    },
  }
}

/** Cards by every id they have. A delivery may hold thousands of both. */
type Cards = ReadonlyMap<string, MetaContact>

function cardsOf(contacts: readonly unknown[]): Cards {
  const cards = new Map<string, MetaContact>()
  for (const contact of contacts) {
    const card = metaContact.safeParse(contact).data
    for (const id of [card?.wa_id, card?.user_id]) if (card !== undefined && id !== undefined && !cards.has(id)) cards.set(id, card)
  }
  return cards
}

/** The contact card is matched by id, never by its place: the arrays need not run side by side. */
function personOf(message: MetaMessage, people: Cards): Person | undefined {
  const { from, from_user_id: fromUser } = message
  if (from === undefined && fromUser === undefined) return undefined
  const card = (from === undefined ? undefined : people.get(from)) ?? (fromUser === undefined ? undefined : people.get(fromUser))
  return { waId: from ?? card?.wa_id, bsuid: fromUser ?? card?.user_id, name: card?.profile?.name }
}

/** Meta's error, explained; the whole of it stays beside ours. */
function errorOf({ errors }: MetaStatus): MessageError | undefined {
  const [providerError] = errors ?? []
  if (providerError === undefined) return undefined
  const error = metaError.safeParse(providerError)
  const code = error.success ? error.data.code : 0
  const { title, class: kind } = explain(code)
  const detail = error.success ? (error.data.error_data?.details ?? error.data.message ?? error.data.title) : undefined
  return {
    code: `provider_${code}`,
    title,
    retryable: kind === 'retry' || kind === 'backoff' || kind === 'pair_limit',
    ...(detail === undefined ? {} : { detail }),
    providerError,
  }
}

/** Seconds since 1970 as text; anything else (also a year that no calendar text can hold) is answered with when we got it. */
function timeOf(timestamp: string | number | undefined, receivedAt: Date): string {
  const seconds = Number(timestamp)
  return timestamp !== undefined && seconds > 0 && seconds < 253_402_300_800 ? new Date(seconds * 1000).toISOString() : receivedAt.toISOString()
}

/** Becomes a column that people filter by. */
const typeName = (type: string): string => (/^[a-z0-9_]{1,64}$/.test(type) ? type : 'unsupported')

const isProviderStatus = (status: string): status is ProviderStatus => providerStatuses.some((known) => known === status)

const unreadable = (path: string, error: z.ZodError): Item => ({
  kind: 'unreadable',
  path,
  // Paths and messages of zod name fields, never values: nothing personal gets into the log of failures.
  error: error.issues.map((issue) => `${issue.path.join('.') || 'item'}: ${issue.message}`).join('; '),
})

function parsed<T, R>(schema: z.ZodType<T>, value: unknown, then: (value: T) => R, otherwise: R): R {
  const read = schema.safeParse(value)
  return read.success ? then(read.data) : otherwise
}
