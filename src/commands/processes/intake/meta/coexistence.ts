import { z } from 'zod'
import type { ProviderStatus } from '../../../../domain/conversation/events.ts'
import type { Person } from '../../../contacts/meet-contact.ts'
import type { Item, NewsItem, RecordedItem } from './items.ts'
import { translateMessages } from './messages.ts'
import { personOf } from './people.ts'
import { id, seconds } from './schema.ts'
import { timeOf } from './time.ts'
import type { Change, NumberChange } from './change.ts'
import { unreadable } from './unreadable.ts'

/**
 * Numbers that stay on the business app of a phone beside the Cloud API: what is written there comes as echoes, what was written before the connection
 * as history, and the phone's address book as state. Their messages have the shape of inbound ones, with the customer under `to` where the business
 * wrote; so they are turned round, read by the one translator of messages, and recorded instead of received.
 */

const list = z.array(z.unknown()).catch([])
const optionalId = id.optional().catch(undefined)

const thread = z.looseObject({
  id: optionalId,
  context: z.looseObject({ wa_id: optionalId, user_id: optionalId, parent_user_id: optionalId }).optional().catch(undefined),
  messages: list,
})
const chunk = z.looseObject({
  metadata: z.looseObject({}).optional().catch(undefined),
  threads: list,
  errors: list,
})
const historyContext = z.looseObject({ status: z.string() })
const stateSync = z.looseObject({
  type: z.string(),
  action: z.enum(['add', 'remove']),
  contact: z.looseObject({
    full_name: z.string().optional().catch(undefined),
    first_name: z.string().optional().catch(undefined),
    phone_number: optionalId,
    user_id: optionalId,
    username: optionalId,
  }),
  metadata: z
    .looseObject({ timestamp: seconds.optional().catch(undefined) })
    .optional()
    .catch(undefined),
})

/** `smb_message_echoes`: written on the phone, by the business. */
export const translateEchoes = (change: NumberChange): readonly Item[] => [
  ...listIn(change, 'message_echoes').flatMap((raw, m) => {
    return retold(raw, { change, path: `${change.path}.value.message_echoes[${m}]`, origin: 'phone', direction: 'outbound' })
  }),
  ...errorsIn(change),
]

/**
 * `history`: threads of the last months, chunk by chunk, both directions; later, in the same field, the bodies of media that stood there as placeholders.
 * How far it has come, and a refusal by whoever holds the phone (2593109), are news of the account.
 */
export function translateHistory(change: NumberChange): readonly Item[] {
  const chunks = listIn(change, 'history').flatMap((raw, h): readonly Item[] => {
    const path = `${change.path}.value.history[${h}]`
    const read = chunk.safeParse(raw)
    if (!read.success) return [unreadable(path, read.error)]
    const { threads, metadata, errors } = read.data
    const news = newsOf(change, path, { history: [{ ...(metadata && { metadata }), ...(errors.length > 0 && { errors }) }] })
    return [...threads.flatMap((one, t) => translateThread(one, `${path}.threads[${t}]`, change)), news]
  })
  const told = { change, origin: 'history' } as const
  const bodies = listIn(change, 'messages').flatMap((raw, m) => {
    return retold(raw, { ...told, path: `${change.path}.value.messages[${m}]`, direction: directionOf(raw, change) })
  })
  const echoes = listIn(change, 'message_echoes').flatMap((raw, m) => {
    return retold(raw, { ...told, path: `${change.path}.value.message_echoes[${m}]`, direction: 'outbound' })
  })
  return [...chunks, ...bodies, ...echoes, ...errorsIn(change)]
}

function translateThread(raw: unknown, path: string, change: NumberChange): readonly Item[] {
  const read = thread.safeParse(raw)
  if (!read.success) return [unreadable(path, read.error)]
  const { id: number, context, messages } = read.data
  const ids = { waId: digitsOf(context?.wa_id ?? number), userId: context?.user_id, parentUserId: context?.parent_user_id }
  return messages.flatMap((message, m) => {
    const direction = directionOf(message, change)
    return retold(message, { change, path: `${path}.messages[${m}]`, origin: 'history', direction, customer: ids })
  })
}

type Ids = { readonly waId: string | undefined; readonly userId: string | undefined; readonly parentUserId: string | undefined }
type Told = {
  readonly change: NumberChange
  readonly path: string
  readonly origin: RecordedItem['origin']
  readonly direction: RecordedItem['direction']
  /** Whose thread it is; else the message itself says to whom or from whom it went. */
  readonly customer?: Ids
}

/** Any message of the phone or of history: read like an inbound one of the customer whose thread it is in. */
function retold(raw: unknown, { change, path, origin, direction, customer }: Told): readonly Item[] {
  const message = isObject(raw) ? raw : {}
  const side = direction === 'outbound' ? 'to' : 'from'
  const turned: Record<string, unknown> = {
    ...message,
    from: customer?.waId ?? message[side],
    from_user_id: customer?.userId ?? message[`${side}_user_id`],
    from_parent_user_id: customer?.parentUserId ?? message[`${side}_parent_user_id`],
  }
  const value = { metadata: change.value.metadata, messages: [isObject(raw) ? defined(turned) : raw] }
  const items = translateMessages({ ...change, value })
  return items.map((item) => recordedAs(item, { path, origin, direction, raw }))
}

function recordedAs(item: Item, { path, origin, direction, raw }: Pick<Told, 'path' | 'origin' | 'direction'> & { raw: unknown }): Item {
  if (item.kind === 'change') return { ...item, path, by: direction === 'outbound' ? 'phone' : 'contact' }
  if (item.kind !== 'message') return { ...item, path }
  const { message, person, phoneNumberId } = item
  const status = direction === 'outbound' ? statusOf(raw) : undefined
  const said = { ...message, ...(message.raw === undefined ? {} : { raw: JSON.stringify(raw) }), ...(status === undefined ? {} : { status }) }
  return { kind: 'recorded', path, phoneNumberId, person, origin, direction, message: said }
}

/** The business's own number on one side tells; where both are hidden, whether it is addressed to somebody. */
function directionOf(raw: unknown, { value }: NumberChange): RecordedItem['direction'] {
  const message = isObject(raw) ? raw : {}
  const ours = digitsOf(value.metadata?.['display_phone_number'])
  const from = digitsOf(message['from'])
  if (ours !== undefined && from !== undefined) return from === ours ? 'outbound' : 'inbound'
  return message['to'] !== undefined || message['to_user_id'] !== undefined ? 'outbound' : 'inbound'
}

/** `PENDING` says nothing yet, and a word that we do not know nothing at all: such a message is shown as sent. */
const statuses: Readonly<Record<string, ProviderStatus>> = { SENT: 'sent', DELIVERED: 'delivered', READ: 'read', PLAYED: 'played', ERROR: 'failed' }

function statusOf(raw: unknown): ProviderStatus | undefined {
  const context = historyContext.safeParse(isObject(raw) ? raw['history_context'] : undefined)
  return context.success && Object.hasOwn(statuses, context.data.status) ? statuses[context.data.status] : undefined
}

/** `smb_app_state_sync`: the address book of the phone. An edit comes as another `add`. */
export const translateAddressBook = (change: NumberChange): readonly Item[] => [
  ...listIn(change, 'state_sync').map((raw, s): Item => {
    const path = `${change.path}.value.state_sync[${s}]`
    const read = stateSync.safeParse(raw)
    if (!read.success) return unreadable(path, read.error)
    const { type, action, contact, metadata } = read.data
    // What else a phone may share some day is kept as news: it names nobody here.
    if (type !== 'contact') return newsOf(change, path, { state_sync: [{ type, action }] })
    const known = personOf({ waId: digitsOf(contact.phone_number), userId: contact.user_id }, change.people)
    if (known === undefined) return { kind: 'unreadable', path, error: 'neither phone_number nor user_id says who it is' }
    const name = contact.full_name ?? contact.first_name ?? known.name
    const person: Person = { ...known, name, ...(contact.username === undefined ? {} : { username: contact.username }) }
    return {
      kind: 'contact',
      path,
      phoneNumberId: change.phoneNumberId,
      person,
      news: { kind: 'address_book', action },
      at: timeOf(metadata?.timestamp, change.receivedAt),
    }
  }),
  ...errorsIn(change),
]

/**
 * Copies of what another partner of the same number sees (`standby`, `message_echoes`): never answered and never shown as ours. What people wrote stays
 * in the sealed delivery; the account's news say only how much there was, because the log of an account is not sealed.
 */
export function withoutPeople({ field, value }: Change): unknown {
  if (field !== 'standby' && field !== 'message_echoes') return value
  const copies = isObject(value['standby']) ? value['standby'] : value
  return {
    ...(value.metadata && { metadata: value.metadata }),
    counted: Object.fromEntries(['messages', 'message_echoes', 'statuses'].map((name) => [name, arrayOf(copies[name]).length])),
  }
}

/** Errors beside the items: of the whole change, so news. */
const errorsIn = (change: NumberChange): readonly NewsItem[] =>
  listIn(change, 'errors').length === 0 ? [] : [newsOf(change, `${change.path}.value.errors`, { errors: listIn(change, 'errors') })]

const newsOf = ({ field, wabaId, phoneNumberId, at }: NumberChange, path: string, value: unknown): NewsItem => ({
  kind: 'news',
  path,
  field,
  wabaId,
  phoneNumberId,
  value,
  at,
})

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const arrayOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
const listIn = ({ value }: Change, name: string): readonly unknown[] => arrayOf(value[name])
const defined = (object: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined))

/** Numbers of address books and threads may have a `+` and spaces; ids that are no numbers stay as they are. */
function digitsOf(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '') return undefined
  return /^\+?[\d\s().-]+$/.test(value) ? value.replace(/\D/g, '') : value
}
