import { channel } from '../../../domain/channel/channel.ts'
import type { MessageError } from '../../../domain/conversation/events.ts'
import { classOfError, explain } from '../../../domain/conversation/provider-errors.ts'
import type { Clock } from '../../../domain/kernel/clock.ts'
import type { CommandContext } from '../../../domain/kernel/context.ts'
import type { RaiseAlert } from '../../alerts/alerts.ts'
import type { Directory } from '../../directory/directory.ts'
import type { Commands } from '../../kernel/execute.ts'

/** A report that a message failed, as it came in. */
export type FailedReport = { readonly channelId: string; readonly error: MessageError; readonly at: string }
export type HearReportedTrouble = (report: FailedReport, context: CommandContext) => Promise<void>

/** Older ones tell how it was: the next message finds out how it is. */
const staleMs = 3_600_000

/**
 * Meta takes a message and reports seconds later that the account may not send: payment, lock, registration. It is the same trouble of the channel as
 * when it is the answer to a call, and has the same consequences: on record with the channel, where every sender hears of it, and an alert.
 */
export function createHearReportedTrouble({
  commands,
  directory,
  raiseAlert,
  clock,
}: {
  commands: Pick<Commands, 'execute'>
  directory: Pick<Directory, 'channelOf'>
  raiseAlert: RaiseAlert
  clock: Clock
}): HearReportedTrouble {
  return async ({ channelId, error: { code }, at }, context) => {
    const kind = classOfError(code)
    if (kind !== 'account' && kind !== 'credentials' && kind !== 'backoff') return
    const reportedAt = Date.parse(at)
    // What was on its way when somebody mended it fails after that, and says nothing about now.
    const { connectedAt } = directory.channelOf(context.tenantId, channelId) ?? {}
    if ((connectedAt !== undefined && reportedAt <= connectedAt.getTime()) || reportedAt < clock().getTime() - staleMs) return
    const { title, explanation: detail } = explain(Number(code.slice('provider_'.length)))
    if (kind === 'account') {
      const entity = { type: 'channel', id: channelId }
      await raiseAlert(
        { key: `channel_blocked:${channelId}`, code: 'channel_blocked', severity: 'critical', title, detail, entity },
        { ...context, at: clock() },
      )
    }
    const error = { code, title, detail }
    await commands.execute(channel, channelId, { type: 'recordFailedCheck', error, credentials: kind === 'credentials', reported: true }, context)
  }
}
