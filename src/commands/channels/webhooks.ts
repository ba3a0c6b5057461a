import type { Vault } from '../../domain/kernel/vault.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import { verifyTokenOf } from '../directory/hook.ts'
import type { Directory } from '../directory/directory.ts'
import type { Commands } from '../kernel/execute.ts'
import { step } from '../kernel/step.ts'
import type { CloudApi } from '../ports/cloud-api.ts'

import { onChannel, type ChannelDirectory, type ChannelDone } from './on-channel.ts'
import { unverified, type Unverified, type WebhookAddress } from './verify-number.ts'

export type WebhookAddressOf = (tenantId: string, channelId: string) => Promise<WebhookAddress | undefined>

/**
 * A channel with a Meta app of its own has a webhook address of its own: without an override somebody would have to enter it in the app's dashboard.
 * Meta takes it only when it can reach it, so an installation without a public address gives none. Meta allows 200 characters.
 */
export function createWebhookAddressOf({
  directory,
  vault,
  publicUrl,
}: {
  directory: Pick<Directory, 'channelOf'>
  vault: Pick<Vault, 'ensure' | 'blindIndex'>
  publicUrl: string
}): WebhookAddressOf {
  const reachable = isPublic(publicUrl)
  return async (tenantId, channelId) => {
    const hook = directory.channelOf(tenantId, channelId)?.hook
    if (!reachable || hook === undefined) return undefined
    const url = `${publicUrl.replace(/\/+$/, '')}/webhooks/meta/${hook}`
    if (url.length > 200) return undefined
    await vault.ensure(tenantId, [])
    return { url, verifyToken: verifyTokenOf(vault, tenantId, channelId) }
  }
}

const privateAddress =
  /^(localhost|.*\.(local|localhost|internal|test|lan)|127\..*|10\..*|192\.168\..*|172\.(1[6-9]|2\d|3[01])\..*|169\.254\..*|0\.0\.0\.0|\[.*\])$/

/** Whether Meta could reach it: https, and a name or address of the internet. */
function isPublic(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { protocol, hostname } = new URL(url)
  return protocol === 'https:' && hostname.includes('.') && !privateAddress.test(hostname)
}

type Deps = {
  commands: Commands
  cloudApi: CloudApi
  directory: ChannelDirectory
  webhookAddressOf?: WebhookAddressOf | undefined
}

/**
 * For a channel that has its address only since just now. Meta asks the address before it answers, so the channel has to be known first.
 * What goes wrong does not undo the connection: it is recorded on the channel, which shows it and raises an alert.
 */
export async function adoptWebhooks(deps: Deps, done: ChannelDone, context: CommandContext): Promise<ChannelDone> {
  const { tenantId } = context
  const address = await deps.webhookAddressOf?.(tenantId, done.channelId)
  const account = address === undefined ? undefined : await deps.directory.accountOf(tenantId, done.channelId)
  if (address === undefined || account === undefined) return done
  const subscribed = await deps.cloudApi.subscribeApp(account, address)
  return 'ok' in subscribed ? done : webhookTrouble(deps, done, unverified(subscribed, account), context)
}

/** Records that webhooks may not come; the channel goes on sending. */
export async function webhookTrouble(
  deps: Pick<Deps, 'commands' | 'directory'>,
  done: ChannelDone,
  { title, detail }: Unverified,
  context: CommandContext,
): Promise<ChannelDone> {
  const error = { code: 'webhook_unverified', title, detail }
  const recorded = await onChannel(deps, done.channelId, { type: 'recordFailedCheck', error, credentials: false }, step(context, 'webhooks'))
  return 'position' in recorded ? recorded : done
}
