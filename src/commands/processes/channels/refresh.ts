import { createHash } from 'node:crypto'
import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { Clock } from '../../../domain/kernel/clock.ts'
import { derivedId } from '../../../domain/kernel/ids.ts'
import { pause } from '../../../postgres/pause.ts'
import { holdLease } from '../../../postgres/lease.ts'
import type { CheckChannel } from '../../channels/check-channel.ts'
import type { ChannelEntry } from '../../directory/directory.ts'

/** Meta tells of changes by webhooks; this is for what it does not tell, and for webhooks that do not come. */
const everyMs = 4 * 3_600_000
const lookMs = 60_000

export type ChannelRefresh = {
  readonly pool: Pool
  readonly channels: () => readonly ChannelEntry[]
  readonly testChannel: CheckChannel
  readonly clock: Clock
  readonly owner: string
  readonly log: Logger
  readonly signal: AbortSignal
}

/**
 * Looks at every connected number once in four hours: quality, limit, throughput, name, and whether the token still holds.
 *
 * WAITING (another process has the lease) → each minute the channels whose turn falls into it. A channel's turn follows from its id, so a thousand of them are
 * four a minute, a start asks nobody, and nothing has to be remembered. A turn that falls into a pause is missed until the next one.
 */
export async function runChannelRefresh({ pool, channels, testChannel, clock, owner, log, signal }: ChannelRefresh): Promise<void> {
  await holdLease({ pool, name: 'channel-refresh', owner, ttlMs: 30_000, signal }, async (_lease, held) => {
    let from = clock()
    while (await pause(lookMs, held)) {
      const to = clock()
      for (const { tenantId, channelId } of dueChannels(channels(), from, to)) {
        if (held.aborted) return
        const commandId = derivedId('channel-refresh', channelId, to.toISOString())
        const context = {
          tenantId,
          actor: { kind: 'process', id: 'channel-refresh' },
          commandId,
          correlationId: commandId,
          causationId: commandId,
          at: to,
        } as const
        await testChannel({ channelId, ifVersion: undefined }, context).catch((error: unknown) =>
          log.warn({ err: error, channelId }, 'a number could not be looked at'),
        )
      }
      from = to
    }
  })
}

/** The connected channels whose turn is after `from` and not after `to`. Degraded ones too: a token that was mended at Meta works again by itself. */
export function dueChannels(channels: readonly ChannelEntry[], from: Date, to: Date): readonly ChannelEntry[] {
  const span = to.getTime() - from.getTime()
  return channels.filter(({ channelId, status }) => {
    if (status !== 'connected' && status !== 'degraded') return false
    const sinceTurn = (((to.getTime() - turnOf(channelId)) % everyMs) + everyMs) % everyMs
    return sinceTurn < Math.min(span, everyMs)
  })
}

/** A channel's place within the four hours, spread evenly and always the same. */
const turnOf = (channelId: string): number => createHash('sha256').update(channelId).digest().readUInt32BE(0) % everyMs
