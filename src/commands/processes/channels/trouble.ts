import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import { channel } from '../../../domain/channel/channel.ts'
import type { Clock } from '../../../domain/kernel/clock.ts'
import type { CommandContext } from '../../../domain/kernel/context.ts'
import type { MessageError } from '../../../domain/conversation/events.ts'
import { classOfError } from '../../../domain/conversation/provider-errors.ts'
import type { RaiseAlert, SettleAlert } from '../../alerts/alerts.ts'
import type { Commands } from '../../kernel/execute.ts'

type ChannelRef = { readonly tenantId: string; readonly channelId: string }

/**
 * What the sender finds out about a channel: refused credentials stop the channel (the watch makes an alert of that), a limit that holds on and an account that
 * somebody has to mend at Meta are alerts of their own, until messages come through again. An outage passes by itself and is nobody's to mend, and an error of
 * one recipient or template stands with its message.
 */
export function createChannelTrouble({
  commands,
  raiseAlert,
  settleAlert,
  clock,
  log,
}: {
  commands: Commands
  raiseAlert: RaiseAlert
  settleAlert: SettleAlert
  clock: Clock
  log: Pick<Logger, 'warn'>
}): { readonly heard: (channel: ChannelRef, error: MessageError) => void; readonly well: (channel: ChannelRef) => void } {
  const record = ({ tenantId }: ChannelRef, work: (context: CommandContext) => Promise<unknown>): void => {
    const commandId = randomUUID()
    const actor = { kind: 'process', id: 'sender' } as const
    work({ tenantId, actor, commandId, correlationId: commandId, causationId: commandId, at: clock() }).catch((failed: unknown) =>
      log.warn({ err: failed }, 'the trouble of a channel could not be recorded'),
    )
  }
  return {
    heard(ref, { code, title, detail }) {
      const { channelId } = ref
      const entity = { type: 'channel', id: channelId }
      switch (classOfError(code)) {
        case 'credentials': {
          const error = { code, title, ...(detail === undefined ? {} : { detail }) }
          return record(ref, (context) => commands.execute(channel, channelId, { type: 'recordFailedCheck', error, credentials: true }, context))
        }
        case 'backoff':
          return record(ref, (context) =>
            raiseAlert({ key: `rate_limited:${channelId}`, code: 'rate_limited', severity: 'warning', title, detail, entity }, context),
          )
        case 'account':
          return record(ref, async (context) => {
            await raiseAlert({ key: `channel_blocked:${channelId}`, code: 'channel_blocked', severity: 'critical', title, detail, entity }, context)
            // With an error on record the next good test is an event, and the sender tries again at once.
            const error = { code, title, ...(detail === undefined ? {} : { detail }) }
            await commands.execute(channel, channelId, { type: 'recordFailedCheck', error, credentials: false }, context)
          })
        default:
      }
    },
    well(ref) {
      record(ref, async (context) => {
        for (const code of ['rate_limited', 'channel_blocked'])
          await settleAlert({ key: `${code}:${ref.channelId}`, reason: 'Messages go out again' }, context)
        const { state } = await commands.load(channel, ref.tenantId, ref.channelId)
        const kind = state.error === undefined ? undefined : classOfError(state.error.code)
        if (kind !== 'account' && kind !== 'backoff') return
        await commands.execute(channel, ref.channelId, { type: 'recordCheck', facts: {} }, context)
      })
    },
  }
}
