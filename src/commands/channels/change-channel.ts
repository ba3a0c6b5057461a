import { channel, type ChannelCommand, type ChannelRefusal } from '../../domain/channel/channel.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Position } from '../../domain/kernel/position.ts'
import type { Commands } from '../kernel/execute.ts'
import type { CloudApi, CloudApiAccount } from '../ports/cloud-api.ts'
import type { ChannelDone } from './add-channel.ts'
import { verifyNumber, type Unverified } from './verify-number.ts'

export type ChannelRefused = { readonly refused: 'not_found' | 'channel_removed' } | { readonly stale: { readonly version: number } }
export type ChangeChannel = (
  input: {
    channelId: string
    name?: string | undefined
    accessToken?: string | undefined
    appSecret?: string | undefined
    verify: boolean
    ifVersion: number | undefined
  },
  context: CommandContext,
) => Promise<ChannelDone | ChannelRefused | Unverified>
export type DisconnectChannel = (
  input: { channelId: string; reason?: string | undefined; ifVersion: number | undefined },
  context: CommandContext,
) => Promise<ChannelDone | ChannelRefused>

export type ChannelDirectory = {
  waitFor: (position: Position) => Promise<void>
  accountOf: (tenantId: string, channelId: string) => Promise<CloudApiAccount | undefined>
}

/** Runs one command on a channel and waits until the directory of this process knows of it. */
export async function onChannel(
  { commands, directory }: { commands: Commands; directory: Pick<ChannelDirectory, 'waitFor'> },
  channelId: string,
  command: ChannelCommand,
  context: CommandContext,
  ifVersion?: number,
): Promise<ChannelDone | ChannelRefused> {
  const outcome = await commands.execute(channel, channelId, command, context, { ifVersion })
  if ('stale' in outcome) return outcome
  if ('refused' in outcome) return { refused: seen(outcome.refused) }
  await directory.waitFor(outcome.position)
  return { position: outcome.position, version: outcome.version, channelId, channel: outcome.state }
}

const seen = (refusal: ChannelRefusal): 'not_found' | 'channel_removed' => (refusal === 'channel_removed' ? refusal : 'not_found')

/** New name, new credentials or both. A new token is asked about first, so a typing mistake does not take a working channel down. */
export function createChangeChannel(deps: { commands: Commands; cloudApi: CloudApi; directory: ChannelDirectory }): ChangeChannel {
  return async ({ channelId, verify, ifVersion, accessToken, ...rest }, context) => {
    if (accessToken === undefined) return onChannel(deps, channelId, { type: 'change', ...rest }, context, ifVersion)
    const account = await deps.directory.accountOf(context.tenantId, channelId)
    if (account === undefined) return { refused: 'not_found' }
    const verified = verify ? await verifyNumber(deps.cloudApi, { ...account, accessToken }, { subscribe: true }) : { facts: {} }
    if ('refused' in verified) return verified
    const connection = { verified: verify, facts: verified.facts }
    return onChannel(deps, channelId, { type: 'change', ...rest, accessToken, connection }, context, ifVersion)
  }
}

/** Stops using the number until it is connected again. It stays the tenant's, and what the customer writes meanwhile is recorded. */
export function createDisconnectChannel(deps: { commands: Commands; directory: Pick<ChannelDirectory, 'waitFor'> }): DisconnectChannel {
  return ({ channelId, reason, ifVersion }, context) => onChannel(deps, channelId, { type: 'disconnect', reason }, context, ifVersion)
}
