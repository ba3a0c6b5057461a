import { channel } from '../../domain/channel/channel.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import { derivedId } from '../../domain/kernel/ids.ts'
import { takeClaim, type Abandon } from '../claims/take.ts'
import type { Commands } from '../kernel/execute.ts'
import { step } from '../kernel/step.ts'
import type { CloudApi } from '../ports/cloud-api.ts'
import type { ChannelDirectory, ChannelDone } from './on-channel.ts'
import { verifyNumber, type Unverified } from './verify-number.ts'
import { adoptWebhooks, type WebhookAddressOf } from './webhooks.ts'

export type NewChannel = { name: string; phoneNumberId: string; wabaId: string; accessToken: string; appSecret?: string | undefined; verify: boolean }
export type AddChannel = (
  input: NewChannel,
  context: CommandContext,
) => Promise<ChannelDone | { readonly refused: 'number_taken' | 'verification_required' } | Unverified>

/** Connects a number to the tenant of the context: asks the provider, then claims the number in the installation, then adds the channel. */
export function createAddChannel({
  commands,
  cloudApi,
  directory,
  webhookAddressOf,
  trusting = true,
}: {
  commands: Commands
  cloudApi: CloudApi
  directory: ChannelDirectory & {
    channelOfNumber: (phoneNumberId: string) => { readonly channelId: string } | undefined
  }
  webhookAddressOf?: WebhookAddressOf | undefined
  /**
   * Whether a tenant may connect a number without proving that it is its own. In earnest only the operator may: what the installation's own Meta app
   * delivers for a number, also what was parked for it, goes to whoever connected it.
   */
  trusting?: boolean
}): AddChannel {
  const abandon: Abandon = async ({ holderId }, context) => 'position' in (await commands.execute(channel, holderId, { type: 'abandon' }, context))

  return async ({ verify, ...facts }, context) => {
    const { phoneNumberId, wabaId, accessToken } = facts
    if (!verify && !trusting && context.actor.kind !== 'operator') return { refused: 'verification_required' }
    const channelId = derivedId('channel', context.tenantId, context.commandId)
    // Spares the provider a call; what decides is the claim below.
    const holder = directory.channelOfNumber(phoneNumberId)
    if (holder !== undefined && holder.channelId !== channelId) return { refused: 'number_taken' }

    const verified = verify ? await verifyNumber(cloudApi, { phoneNumberId, wabaId, accessToken }, { subscribe: true }) : { facts: {} }
    if ('refused' in verified) return verified
    const claimed = await takeClaim(
      commands,
      { kind: 'number', value: phoneNumberId, tenantId: context.tenantId, holderId: channelId, abandon },
      context,
    )
    if ('refused' in claimed) return { refused: 'number_taken' }

    const connection = { verified: verify, facts: verified.facts }
    const outcome = await commands.execute(channel, channelId, { type: 'add', ...facts, connection }, step(context, 'add'))
    // Somebody took our claim for abandoned between the two steps: the number is theirs.
    if (!('position' in outcome)) return { refused: 'number_taken' }
    await directory.waitFor(outcome.position)
    const done = { position: outcome.position, version: outcome.version, channelId, channel: outcome.state }
    return verify ? adoptWebhooks({ commands, cloudApi, directory, webhookAddressOf }, done, context) : done
  }
}
