import type { CommandContext } from '../../domain/kernel/context.ts'
import { releaseClaim } from '../claims/take.ts'
import type { Commands, IfVersion } from '../kernel/execute.ts'

import { onChannel, type ChannelDirectory, type ChannelDone, type ChannelRefused } from './on-channel.ts'

export type RemoveChannel = (input: { channelId: string; ifVersion: IfVersion }, context: CommandContext) => Promise<ChannelDone | ChannelRefused>

/** Removes a channel for good and frees its number. A death between the two is healed by whoever wants the number next (see `takeClaim`). */
export function createRemoveChannel(deps: { commands: Commands; directory: Pick<ChannelDirectory, 'waitFor'> }): RemoveChannel {
  return async ({ channelId, ifVersion }, context) => {
    const removed = await onChannel(deps, channelId, { type: 'remove' }, context, ifVersion)
    if ('position' in removed) {
      await releaseClaim(deps.commands, 'number', removed.channel.phoneNumberId, { tenantId: context.tenantId, holderId: channelId }, context)
    }
    return removed
  }
}
