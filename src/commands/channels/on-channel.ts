import { channel, type ChannelCommand, type ChannelRefusal } from '../../domain/channel/channel.ts'
import type { Channel } from '../../domain/channel/state.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Position } from '../../domain/kernel/position.ts'
import type { Commands, IfVersion } from '../kernel/execute.ts'
import type { CloudApiAccount } from '../ports/cloud-api.ts'

export type ChannelDone = { readonly position: Position; readonly version: number; readonly channelId: string; readonly channel: Channel }
export type ChannelRefused = { readonly refused: 'not_found' | 'channel_removed' } | { readonly stale: { readonly version: number } }
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
  ifVersion?: IfVersion,
): Promise<ChannelDone | ChannelRefused> {
  const outcome = await commands.execute(channel, channelId, command, context, { ifVersion })
  if ('stale' in outcome) return outcome
  if ('refused' in outcome) return { refused: seen(outcome.refused) }
  await directory.waitFor(outcome.position)
  return { position: outcome.position, version: outcome.version, channelId, channel: outcome.state }
}

const seen = (refusal: ChannelRefusal): 'not_found' | 'channel_removed' => (refusal === 'channel_removed' ? refusal : 'not_found')
