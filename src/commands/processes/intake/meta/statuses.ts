import { providerStatuses, type MessageError, type ProviderStatus } from '../../../../domain/conversation/events.ts'
import { explain } from '../../../../domain/conversation/provider-errors.ts'
import type { Item } from './items.ts'
import { metaError, metaStatus, type MetaStatus } from './schema.ts'
import { timeOf } from './time.ts'
import type { NumberChange } from './translate.ts'
import { unreadable } from './unreadable.ts'

/** `value.statuses[]` of the field `messages`. */
export const translateStatuses = (change: NumberChange): readonly Item[] =>
  (change.value.statuses ?? []).map((status, s) => translateStatus(status, `${change.path}.value.statuses[${s}]`, change))

function translateStatus(raw: unknown, path: string, { phoneNumberId, receivedAt }: NumberChange): Item {
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

const isProviderStatus = (status: string): status is ProviderStatus => providerStatuses.some((known) => known === status)
