import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { ChannelEvent } from '../../../domain/channel/events.ts'
import { fromStored } from '../../../domain/kernel/codec.ts'
import type { CommandContext } from '../../../domain/kernel/context.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import { derivedId } from '../../../domain/kernel/ids.ts'
import { pause } from '../../../postgres/pause.ts'
import { checkpointStatement, holdLease, isLeaseLost, type Lease } from '../../../postgres/lease.ts'
import { inTransaction } from '../../../postgres/transaction.ts'
import type { RaiseAlert, SettleAlert } from '../../alerts/alerts.ts'

const types = ['ChannelConnected', 'ChannelCheckFailed', 'ChannelDisconnected', 'ChannelRemoved'] as const
const leaseMs = 10_000

export type ChannelWatch = {
  readonly store: EventStore
  readonly pool: Pool
  readonly raiseAlert: RaiseAlert
  readonly settleAlert: SettleAlert
  readonly owner: string
  readonly log: Logger
  readonly signal: AbortSignal
}

/**
 * A channel in trouble is an alert, whoever found out (a check, the sender, the refresh), and its end is the end of the alert.
 *
 * WAITING (another process has the lease) → FOLLOWING the log of channels → DISTURBED (store or database away) → from the checkpoint again.
 * Invariant: the checkpoint moves after the alerts of a page are durable; a page that is repeated repeats its command ids and changes nothing.
 */
export async function runChannelWatch(watch: ChannelWatch): Promise<void> {
  const { pool, owner, log, signal } = watch
  await holdLease(
    {
      pool,
      name: 'channel-watch',
      owner,
      ttlMs: leaseMs,
      signal,
      onChange: (change, error) => log.debug({ change, err: error }, 'channel watch lease'),
    },
    async (lease, held) => {
      try {
        await follow(watch, lease, held)
      } catch (error) {
        if (isLeaseLost(error)) throw error
        if (held.aborted) return
        log.error({ err: error }, 'the watch over channels was disturbed, starting again from its checkpoint')
        await pause(500, held)
      }
    },
  )
}

async function follow({ store, pool, raiseAlert, settleAlert }: ChannelWatch, lease: Lease, signal: AbortSignal): Promise<void> {
  let from = lease.position
  for await (const page of store.subscribe({ after: from, filter: { types }, signal })) {
    if (page.kind === 'caught-up') continue
    for (const event of page.events) await alertFor(event, { raiseAlert, settleAlert })
    if (page.through > from) await inTransaction(pool, async (client) => client.query(checkpointStatement({ ...lease, from, to: page.through })))
    from = page.through
  }
}

export async function alertFor(
  recorded: RecordedEvent,
  { raiseAlert, settleAlert }: { raiseAlert: RaiseAlert; settleAlert: SettleAlert },
): Promise<void> {
  const event = fromStored<ChannelEvent>(recorded)
  const { tenantId, id } = recorded.stream
  const context: CommandContext = {
    tenantId,
    actor: { kind: 'process', id: 'channel-watch' },
    commandId: derivedId('channel-watch', recorded.id),
    correlationId: recorded.meta.correlationId,
    causationId: recorded.id,
    // When it was recorded: a channel's events are in order by it, whatever clocks their makers have.
    at: recorded.recordedAt,
  }
  const entity = { type: 'channel', id }
  const settle = async (code: string, reason: string): Promise<void> => settleAlert({ key: `${code}:${id}`, reason }, context)
  switch (event.type) {
    case 'ChannelCheckFailed': {
      const { title, detail } = event.error
      if (event.credentials) {
        await raiseAlert({ key: `channel_credentials:${id}`, code: 'channel_credentials', severity: 'critical', title, detail, entity }, context)
      } else if (event.error.code === 'webhook_unverified') {
        await raiseAlert({ key: `channel_webhooks:${id}`, code: 'channel_webhooks', severity: 'warning', title, detail, entity }, context)
      }
      return
    }
    case 'ChannelConnected':
      await settle('channel_credentials', 'The channel is connected again')
      return settle('channel_webhooks', 'The channel is connected again')
    case 'ChannelDisconnected':
    case 'ChannelRemoved':
      for (const code of [
        'channel_credentials',
        'channel_webhooks',
        'number_quality',
        'messaging_limit_lowered',
        'rate_limited',
        'channel_blocked',
      ]) {
        await settle(code, 'The channel is no longer in use')
      }
      return
    default:
      return
  }
}
