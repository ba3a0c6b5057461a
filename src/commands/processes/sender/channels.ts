import { setTimeout as sleep } from 'node:timers/promises'
import type { LRUCache } from 'lru-cache'
import type { Pool } from 'pg'
import type { Logger } from 'pino'
import { channel as channelStream } from '../../../domain/channel/channel.ts'
import type { Clock } from '../../../domain/kernel/clock.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import { later } from '../../../domain/kernel/position.ts'
import type { Commands } from '../../kernel/execute.ts'
import { lostSender } from './attempt.ts'
import { createChannel, type Channel } from './channel.ts'
import { releaseChannels, renewChannels, takeChannels, type ChannelLease } from './channel-leases.ts'
import type { Flights } from './flights.ts'
import type { Content } from './outbox-changes.ts'
import { channelKey, readContent, readNews, readOpen, readUnattended, type ChannelRef, type OutboxRow } from './outbox-table.ts'
import type { Outbox, OutboxNews } from './outbox.ts'
import { readRecentSends } from './recent-sends.ts'
import type { Recording } from './recording.ts'
import { rememberedMs, type Limits } from './schedule.ts'

export type SenderTimes = {
  /** A channel whose sender is gone finds another one after this long. */
  readonly leaseMs: number
  /** How often other processes' messages and unattended channels are looked for. */
  readonly pollMs: number
  /** How long a channel without work is held. */
  readonly idleMs: number
}

type Deps = {
  pool: Pool
  store: EventStore
  commands: Pick<Commands, 'load'>
  outbox: Pick<Outbox, 'writingSince' | 'hasReached'>
  recording: Recording
  flights: Flights
  contents: LRUCache<string, Content>
  owner: string
  clock: Clock
  log: Pick<Logger, 'warn' | 'debug'>
  limits: Limits
  times: SenderTimes
  hardStop: AbortSignal
}

export type Channels = {
  /** Messages that wait for a try. */
  readonly news: (news: readonly OutboxNews[]) => void
  /** The channel was (re)connected: what made it pause may be over. */
  readonly connected: (channel: ChannelRef) => void
  /** Reports on messages that had been taken told of trouble of the channel. */
  readonly reported: (channel: ChannelRef, code: string) => void
  /** Looks for what other processes queued or left, and lets go of what is idle. */
  readonly poll: () => Promise<void>
  readonly renew: () => Promise<void>
  /** Takes nothing new. */
  readonly stop: () => void
  readonly release: () => Promise<void>
  readonly stats: () => SenderStats
}

/** `paused`: channels that send nothing for a while, because of the provider's answers. */
export type SenderStats = { readonly channels: number; readonly waiting: number; readonly inFlight: number; readonly paused: number }

const catchUpMs = 50

/** Which channels this process sends for: taken when there is work and nobody else has them, given back when idle. See `Channel` for the states. */
export function createChannels(deps: Deps): Channels {
  const { pool, store, commands, outbox, recording, flights, contents, owner, clock, log, limits, times, hardStop } = deps
  const channels = new Map<string, Channel>()
  const wanted = new Map<string, ChannelRef>()
  const deniedUntil = new Map<string, number>()
  let taking = false
  const phase = { stopping: false }
  const now = (): number => clock().getTime()

  function want(refs: Iterable<ChannelRef>): void {
    if (phase.stopping) return
    for (const ref of refs) {
      const key = channelKey(ref)
      if (!channels.has(key) && (deniedUntil.get(key) ?? 0) <= performance.now()) wanted.set(key, ref)
    }
    if (wanted.size === 0 || taking) return
    taking = true
    void takeWanted().finally(() => {
      taking = false
      want([])
    })
  }

  async function takeWanted(): Promise<void> {
    const asked = [...wanted.values()]
    wanted.clear()
    const askedAt = performance.now()
    try {
      const leases = await takeChannels(pool, owner, asked, times.leaseMs)
      const taken = new Set(leases.map(channelKey))
      for (const key of asked.map(channelKey)) {
        if (taken.has(key)) deniedUntil.delete(key)
        else deniedUntil.set(key, askedAt + times.pollMs)
      }
      for (const lease of leases) void begin(lease, askedAt + times.leaseMs)
    } catch (error) {
      log.warn({ err: error }, 'no channel could be taken for sending; the next poll tries again')
    }
  }

  async function begin(lease: ChannelLease, validUntil: number): Promise<void> {
    const channel = createChannel(lease, owner, limits, now(), validUntil)
    channels.set(channelKey(lease), channel)
    try {
      // An earlier hold of our own may have calls under way: they are not left behind, they end by themselves.
      await flights.landed(lease)
      const head = await store.head()
      while (!(await outbox.hasReached(head.position))) {
        if (phase.stopping || channel.state === 'lost') return
        await sleep(catchUpMs)
      }
      // Every attempt of the one before us is in the log and, by now, in the tables.
      const [rows, sends] = await Promise.all([readOpen(pool, lease), readRecentSends(pool, lease, now() - rememberedMs(limits))])
      channel.schedule.remember(sends, now())
      channel.knownTo = head.position
      await Promise.all(rows.filter(({ state }) => state === 'sending').map(settleLeftBehind))
      for (const row of rows) if (row.state === 'queued') channel.schedule.put(row, now())
      // What came meanwhile is heard of; what was before is in the channel's own stream.
      const { state } = await commands.load(channelStream, lease.tenantId, lease.channelId)
      if (state.reported === true && state.error !== undefined) flights.report(channel, state.error.code)
      if (channel.state !== 'taking') return
      channel.state = 'live'
      flights.wake(channel)
    } catch (error) {
      log.warn({ err: error, channelId: lease.channelId }, 'a channel could not be made ready for sending; the next poll tries again')
      await letGo([channel])
    }
  }

  /** The one before us recorded this attempt and never its end. Whether the call left nobody knows, so it is not repeated. */
  async function settleLeftBehind(row: OutboxRow): Promise<void> {
    const { tenantId, channelId, messageId, attempt } = row
    const content = await readContent(pool, tenantId, messageId)
    if (content === undefined) return
    await recording.result(row, { type: 'recordUnknown', messageId, attempt, reason: lostSender }, content, hardStop)
    log.warn({ messageId, channelId }, 'a send was left between call and answer: its outcome is unknown')
  }

  function drop(channel: Channel): void {
    flights.drop(channel)
    const key = channelKey(channel.lease)
    if (channels.get(key) === channel) channels.delete(key)
  }

  async function letGo(some: readonly Channel[]): Promise<void> {
    for (const channel of some) drop(channel)
    const leases = some.map(({ lease }) => lease)
    await releaseChannels(pool, leases).catch((error: unknown) => log.debug({ err: error }, 'leases that could not be released lapse by themselves'))
  }

  /**
   * What another process queued, or did before this one became the writer of the outbox. Each channel has a place of its own up to which it knows
   * everything: with one for all, a channel read a moment ago, or news of our own writing, would move it past rows that were never seen.
   */
  async function catchUp(): Promise<void> {
    for (let behind = thoseBehind(); behind.length > 0 && !phase.stopping; behind = thoseBehind().filter(({ channel }) => channel.missed)) {
      const since = outbox.writingSince()
      for (const { channel } of behind) {
        channel.reading = true
        channel.missed = false
      }
      try {
        for (const row of await readNews(pool, behind)) {
          const channel = channels.get(channelKey(row))
          if (channel?.knownTo === undefined) continue
          channel.schedule.put(row, now())
          channel.knownTo = later(channel.knownTo, row.position)
        }
        for (const { channel, after } of behind) if (since !== undefined) channel.knownTo = later(channel.knownTo ?? after, since)
      } catch (error) {
        for (const { channel } of behind) channel.missed = true
        throw error
      } finally {
        for (const { channel } of behind) channel.reading = false
      }
      for (const { channel } of behind) flights.wake(channel)
    }
  }

  function thoseBehind() {
    const since = outbox.writingSince()
    return [...channels.values()].flatMap((channel) => {
      const { knownTo, missed, reading } = channel
      if (knownTo === undefined || reading || !(missed || since === undefined || knownTo < since)) return []
      return [{ channel, ...channel.lease, after: knownTo }]
    })
  }

  /** News of our own writing. In a channel that is still behind it must not overtake what another process wrote before. */
  function take(row: OutboxRow, channel: Channel): boolean {
    if (channel.knownTo !== undefined) {
      const since = outbox.writingSince()
      if (channel.reading || since === undefined || channel.knownTo < since) {
        channel.missed = true
        return false
      }
      channel.knownTo = later(channel.knownTo, row.position)
    }
    channel.schedule.put(row, now())
    return true
  }

  return {
    news(news) {
      const touched = new Set<Channel>()
      const unattended: ChannelRef[] = []
      let missed = false
      for (const { row, content } of news) {
        if (content !== undefined) contents.set(row.messageId, content)
        const channel = channels.get(channelKey(row))
        if (channel === undefined) unattended.push(row)
        else if (take(row, channel)) touched.add(channel)
        else missed = true
      }
      for (const channel of touched) flights.wake(channel)
      want(unattended)
      if (missed) catchUp().catch((error: unknown) => log.warn({ err: error }, 'the outbox could not be read; the next poll does it'))
    },
    connected(ref) {
      const channel = channels.get(channelKey(ref))
      if (channel !== undefined) flights.resume(channel)
    },
    reported(ref, code) {
      const channel = channels.get(channelKey(ref))
      if (channel !== undefined) flights.report(channel, code)
    },
    async poll() {
      await catchUp()
      // Only the process that writes the outbox hears of a message at once: who does not lets go of a channel as soon as nothing waits in it.
      const idleSince = performance.now() - (outbox.writingSince() === undefined ? times.pollMs : times.idleMs)
      const idle = [...channels.values()].filter(({ state, schedule, busyAt }) => state === 'live' && schedule.size() === 0 && busyAt < idleSince)
      if (idle.length > 0) await letGo(idle)
      for (const [key, until] of deniedUntil) if (until <= performance.now()) deniedUntil.delete(key)
      want(await readUnattended(pool))
    },
    async renew() {
      const mine = [...channels.values()]
      if (mine.length === 0) return
      const askedAt = performance.now()
      const leases = mine.map(({ lease }) => lease)
      const still = await renewChannels(pool, leases, times.leaseMs)
      for (const channel of mine) {
        if (channel.state === 'lost') continue
        if (still.has(channelKey(channel.lease))) {
          channel.validUntil = askedAt + times.leaseMs
          flights.wake(channel)
        } else {
          log.warn({ channelId: channel.lease.channelId }, 'another process sends for this channel now')
          drop(channel)
        }
      }
    },
    stop() {
      phase.stopping = true
      wanted.clear()
    },
    release: async () => letGo([...channels.values()]),
    stats() {
      let known = 0
      for (const { schedule } of channels.values()) known += schedule.size()
      const paused = [...channels.values()].filter(({ pausedUntil }) => now() < pausedUntil).length
      return { channels: channels.size, waiting: Math.max(0, known - flights.underWay()), inFlight: flights.underWay(), paused }
    },
  }
}
