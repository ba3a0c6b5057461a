import type { ChannelCommand } from '../../domain/channel/channel.ts'
import type { PhoneSync } from '../../domain/channel/events.ts'
import { explain } from '../../domain/conversation/provider-errors.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Position } from '../../domain/kernel/position.ts'
import type { Commands } from '../kernel/execute.ts'
import { step } from '../kernel/step.ts'
import type { ProviderError } from '../ports/cloud-api.ts'
import type { CoexistenceApi } from '../ports/coexistence-api.ts'
import { onChannel, type ChannelDirectory, type ChannelRefused } from './on-channel.ts'

export type PhoneSyncRefused = {
  readonly refused: 'sync_refused' | 'provider_unreachable' | 'not_found'
  readonly detail?: string
  readonly providerError?: ProviderError
}
export type SyncPhone = (
  wish: { readonly channelId: string; readonly what: PhoneSync },
  context: CommandContext,
) => Promise<{ readonly position: Position; readonly asked: PhoneSync; readonly requestId?: string } | PhoneSyncRefused | ChannelRefused>

/**
 * Asks the phone of a coexistence number for its address book or its history. The wish is on record before the call, because it can be had once and brings
 * half a year of other people's words: who wanted it must be known also when the answer gets lost. What comes of it comes by webhooks.
 * Meta allows each once per connection and within its first 24 hours; asking again is refused by Meta, which knows better than we could remember.
 */
export const createSyncPhone =
  (deps: { commands: Commands; cloudApi: CoexistenceApi; directory: ChannelDirectory }): SyncPhone =>
  async ({ channelId, what: sync }, context) => {
    const account = await deps.directory.accountOf(context.tenantId, channelId)
    if (account === undefined) return { refused: 'not_found' }
    const record = (command: ChannelCommand, name: string) => onChannel(deps, channelId, command, step(context, name))
    const wanted = await record({ type: 'requestSync', sync }, 'request sync')
    if (!('position' in wanted)) return wanted
    const result = await deps.cloudApi.requestSync(account, sync)
    if ('ok' in result) {
      const begun = await record({ type: 'recordSync', sync, came: result.ok }, 'sync begun')
      return { position: 'position' in begun ? begun.position : wanted.position, asked: sync, ...result.ok }
    }
    if ('unreachable' in result) return { refused: 'provider_unreachable' }
    const { error } = result
    const { class: kind, title, explanation } = explain(error.code, error.status)
    await record({ type: 'recordSync', sync, came: { error: { code: `provider_${error.code}`, title, detail: explanation } } }, 'sync refused')
    const passing = kind === 'retry' || kind === 'backoff'
    return { refused: passing ? 'provider_unreachable' : 'sync_refused', detail: `${title}. ${explanation}`, providerError: error }
  }
