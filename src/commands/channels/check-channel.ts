import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Commands, IfVersion } from '../kernel/execute.ts'
import type { CloudApi } from '../ports/cloud-api.ts'

import { onChannel, type ChannelDirectory, type ChannelDone, type ChannelRefused } from './on-channel.ts'
import { verifyNumber, type Unverified } from './verify-number.ts'
import { webhookTrouble, type WebhookAddressOf } from './webhooks.ts'

/** `found` says what was wrong, if anything; it is recorded either way. */
export type Checked = ChannelDone & { readonly found?: Unverified }
export type CheckChannel = (
  input: { channelId: string; ifVersion: IfVersion },
  context: CommandContext,
) => Promise<Checked | ChannelRefused | Unverified>

type Deps = { commands: Commands; cloudApi: CloudApi; directory: ChannelDirectory; webhookAddressOf?: WebhookAddressOf | undefined }

/** Asks the provider whether the channel works, without turning on one that was turned off. Provider away: nothing is recorded. */
export const createTestChannel = (deps: Deps): CheckChannel => checking(deps, { connect: false })

/** Turns a channel on: asks the provider, and asks it to send webhooks. Refused credentials are recorded and are the answer. */
export const createConnectChannel = (deps: Deps): CheckChannel => checking(deps, { connect: true })

const checking =
  (deps: Deps, { connect }: { connect: boolean }): CheckChannel =>
  async ({ channelId, ifVersion }, context) => {
    const account = await deps.directory.accountOf(context.tenantId, channelId)
    if (account === undefined) return { refused: 'not_found' }
    const address = connect ? await deps.webhookAddressOf?.(context.tenantId, channelId) : undefined
    const verified = await verifyNumber(deps.cloudApi, account, { subscribe: connect, address })
    if (!('refused' in verified)) {
      const good = connect
        ? ({ type: 'connect', verified: true, facts: verified.facts } as const)
        : ({ type: 'recordCheck', facts: verified.facts } as const)
      const done = await onChannel(deps, channelId, good, context, ifVersion)
      return 'position' in done && verified.webhooks !== undefined ? webhookTrouble(deps, done, verified.webhooks, context) : done
    }
    if (verified.refused === 'provider_unreachable') return verified
    const error = { code: verified.refused, title: verified.title, detail: verified.detail }
    const recorded = await onChannel(deps, channelId, { type: 'recordFailedCheck', error, credentials: true }, context, ifVersion)
    return 'position' in recorded ? { ...recorded, found: verified } : recorded
  }
