import { explain } from '../../domain/conversation/provider-errors.ts'
import type { CloudApiAccount, ProviderError } from '../ports/cloud-api.ts'
import type { CoexistenceApi, PhoneSync } from '../ports/coexistence-api.ts'

export type PhoneSyncRefused = {
  readonly refused: 'sync_refused' | 'provider_unreachable' | 'not_found'
  readonly detail?: string
  readonly providerError?: ProviderError
}
export type SyncPhone = (wish: {
  tenantId: string
  channelId: string
  what: PhoneSync
}) => Promise<{ readonly asked: PhoneSync; readonly requestId?: string } | PhoneSyncRefused>

/**
 * Asks the phone of a coexistence number for its address book or its history. Nothing is recorded here: what comes of it comes by webhooks and is.
 * Meta allows each once per connection and within its first 24 hours; asking again is refused by Meta, which knows better than we could remember.
 */
export const createSyncPhone =
  ({
    cloudApi,
    directory,
  }: {
    cloudApi: CoexistenceApi
    directory: { readonly accountOf: (tenantId: string, channelId: string) => Promise<CloudApiAccount | undefined> }
  }): SyncPhone =>
  async ({ tenantId, channelId, what }) => {
    const account = await directory.accountOf(tenantId, channelId)
    if (account === undefined) return { refused: 'not_found' }
    const result = await cloudApi.requestSync(account, what)
    if ('ok' in result) return { asked: what, ...result.ok }
    if ('unreachable' in result) return { refused: 'provider_unreachable' }
    const { error } = result
    const { class: kind, title, explanation } = explain(error.code, error.status)
    const passing = kind === 'retry' || kind === 'backoff'
    return { refused: passing ? 'provider_unreachable' : 'sync_refused', detail: `${title}. ${explanation}`, providerError: error }
  }
