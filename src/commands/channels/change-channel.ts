import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Commands, IfVersion } from '../kernel/execute.ts'
import type { CloudApi } from '../ports/cloud-api.ts'
import { onChannel, type ChannelDirectory, type ChannelDone, type ChannelRefused } from './on-channel.ts'
import { verifyNumber, type Unverified, type Verified } from './verify-number.ts'
import { adoptWebhooks, webhookTrouble, type WebhookAddressOf } from './webhooks.ts'

export type ChangeChannel = (
  input: {
    channelId: string
    name?: string | undefined
    accessToken?: string | undefined
    appSecret?: string | undefined
    verify: boolean
    ifVersion: IfVersion
  },
  context: CommandContext,
) => Promise<ChannelDone | ChannelRefused | Unverified>
export type DisconnectChannel = (
  input: { channelId: string; reason?: string | undefined; ifVersion: IfVersion },
  context: CommandContext,
) => Promise<ChannelDone | ChannelRefused>

/** New name, new credentials or both. A new token is asked about first, so a typing mistake does not take a working channel down. */
export function createChangeChannel(deps: {
  commands: Commands
  cloudApi: CloudApi
  directory: ChannelDirectory
  webhookAddressOf?: WebhookAddressOf | undefined
}): ChangeChannel {
  return async ({ channelId, verify, ifVersion, accessToken, ...rest }, context) => {
    const address = await deps.webhookAddressOf?.(context.tenantId, channelId)
    // With its first app secret a channel gets an address of its own, which Meta has to be told.
    const adopt = async (done: ChannelDone | ChannelRefused): Promise<ChannelDone | ChannelRefused> =>
      'position' in done && verify && address === undefined && rest.appSecret !== undefined ? adoptWebhooks(deps, done, context) : done
    if (accessToken === undefined) return adopt(await onChannel(deps, channelId, { type: 'change', ...rest }, context, ifVersion))
    const account = await deps.directory.accountOf(context.tenantId, channelId)
    if (account === undefined) return { refused: 'not_found' }
    const verified: Verified | Unverified = verify
      ? await verifyNumber(deps.cloudApi, { ...account, accessToken }, { subscribe: true, address })
      : { facts: {} }
    if ('refused' in verified) return verified
    const connection = { verified: verify, facts: verified.facts }
    const done = await onChannel(deps, channelId, { type: 'change', ...rest, accessToken, connection }, context, ifVersion)
    if ('position' in done && verified.webhooks !== undefined) return webhookTrouble(deps, done, verified.webhooks, context)
    return adopt(done)
  }
}

/** Stops using the number until it is connected again. It stays the tenant's, and what the customer writes meanwhile is recorded. */
export function createDisconnectChannel(deps: { commands: Commands; directory: Pick<ChannelDirectory, 'waitFor'> }): DisconnectChannel {
  return ({ channelId, reason, ifVersion }, context) => onChannel(deps, channelId, { type: 'disconnect', reason }, context, ifVersion)
}
