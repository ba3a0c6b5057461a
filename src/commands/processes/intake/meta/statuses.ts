import { createHash } from 'node:crypto'
import { providerStatuses, type MessageError } from '../../../../domain/conversation/events.ts'
import { explain } from '../../../../domain/conversation/provider-errors.ts'
import type { Item, StatusReport } from './items.ts'
import { metaError, metaStatus, type MetaStatus } from './schema.ts'
import { claimOf, timeOf } from './time.ts'
import type { NumberChange } from './change.ts'
import { unreadable } from './unreadable.ts'

/** `value.statuses[]` of the field `messages`. */
export const translateStatuses = (change: NumberChange): readonly Item[] =>
  (change.value.statuses ?? []).map((status, s) => translateStatus(status, `${change.path}.value.statuses[${s}]`, change))

function translateStatus(raw: unknown, path: string, { phoneNumberId, receivedAt }: NumberChange): Item {
  const read = metaStatus.safeParse(raw)
  if (!read.success) return unreadable(path, read.error)
  const { id, status, timestamp, biz_opaque_callback_data: callbackId, pricing, conversation } = read.data
  const error = errorOf(read.data)
  const participant = participantOf(read.data)
  const report: StatusReport = {
    providerId: id,
    status,
    at: timeOf(timestamp, receivedAt),
    ...claimOf(timestamp, receivedAt),
    ...(error === undefined ? {} : { error }),
    // Documentation of groups nests it.
    ...optional('pricing', pricing ?? nested(conversation)),
    ...optional('conversation', conversation),
    ...(participant === undefined ? {} : { participant }),
    ...(providerStatuses.some((known) => known === status) ? {} : { raw: JSON.stringify(withoutPeople(read.data)) }),
  }
  return { kind: 'status', path, phoneNumberId, callbackId, report }
}

/** Who it was sent to is the conversation's to know; a report that comes early waits outside of it. */
const withoutPeople = (status: MetaStatus): object =>
  Object.fromEntries(Object.entries(status).filter(([key]) => !key.includes('recipient') || key === 'recipient_type'))

/** Who of a group. The names of the field differ between pages of the documentation. */
function participantOf(status: MetaStatus): StatusReport['participant'] {
  const id = status.recipient_participant_id ?? status.participant_recipient_id ?? status.recipient_participant_user_id
  return id === undefined ? undefined : { tag: tagOf(status.id, id), id }
}

/**
 * Six hex digits of a hash stand open in the log: enough to tell the 1,024 people of a group apart, and too little to find out whose phone it is once the
 * key is destroyed (of 10^10 numbers 600 have the same). A longer hash of a phone number can be reversed by trying them all.
 */
const tagOf = (messageId: string, participant: string): string => createHash('sha256').update(`${messageId} ${participant}`).digest('hex').slice(0, 6)

type Json = MetaStatus['pricing']
const optional = <Field extends string>(field: Field, value: Json): { [F in Field]?: NonNullable<Json> } =>
  value === undefined || value === null ? {} : ({ [field]: value } as { [F in Field]?: NonNullable<Json> })

const nested = (conversation: Json): Json =>
  typeof conversation === 'object' && conversation !== null && !Array.isArray(conversation) ? conversation['pricing'] : undefined

/** Meta's error, explained; the whole of it stays beside ours, and so do the others if there are several. */
function errorOf({ errors }: MetaStatus): MessageError | undefined {
  const [providerError] = errors ?? []
  if (errors === undefined || providerError === undefined) return undefined
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
    ...(errors.length > 1 ? { providerErrors: errors } : {}),
  }
}
