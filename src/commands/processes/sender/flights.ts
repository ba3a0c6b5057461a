import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { MessageError } from '../../../domain/conversation/events.ts'
import { outgoingOf } from '../../../domain/conversation/state.ts'
import type { Clock } from '../../../domain/kernel/clock.ts'
import type { Attempted, Holding } from './attempt.ts'
import { mayCall, type Channel } from './channel.ts'
import { channelKey, type ChannelRef, type OutboxRow } from './outbox-table.ts'
import { allowedPerSecond } from './rates.ts'
import type { Recording } from './recording.ts'
import type { Limits } from './schedule.ts'
import { createTurns } from './turns.ts'
import { reportedTrouble, type ChannelEffect } from './verdict.ts'

type Deps = {
  attempt: (row: OutboxRow, holding: Holding) => Promise<Attempted>
  clock: Clock
  log: Pick<Logger, 'warn' | 'error'>
  limits: Limits
  /** Calls under way in this process. One tenant, with however many channels, has three quarters of them at most. */
  atOnce: number
  hardStop: AbortSignal
  onTrouble: (channel: ChannelRef, error: MessageError) => void
  onWell: (channel: ChannelRef) => void
  recording: Pick<Recording, 'lookUp'>
  random: () => number
}

export type Flights = {
  /** The channel may have something to send. */
  readonly wake: (channel: Channel) => void
  readonly drop: (channel: Channel) => void
  /** What makes it pause may be over. */
  readonly resume: (channel: Channel) => void
  /** Reports on messages that had been taken told of trouble of the channel. */
  readonly report: (channel: Channel, code: string) => void
  /** Resolves when no call of the channel is under way that was begun until now. */
  readonly landed: (channel: ChannelRef) => Promise<void>
  /** Begins nothing new; resolves when nothing is under way. */
  readonly stop: () => Promise<void>
  readonly underWay: () => number
}

/**
 * Attempts between their turn and their call, in this process. They wait for the database and the processor, where more at once only means that each takes
 * longer: with all 384 of a busy channel in there at once, a neighbour's reply stood behind them for two seconds on a machine that was short of processor.
 */
const preparingAtOnce = 64
const longestSleepMs = 60_000
const longestLocalPauseMs = 60_000
/** Between two looks at what became of the one message that was tried. Reports mostly come within a second or two. */
const firstLookMs = 2_000
const longestLookMs = 30_000

/** All calls of the process: which channel's turn it is, how many at once, and what an answer means for the channel. */
export function createFlights({ attempt, clock, log, limits, atOnce, hardStop, onTrouble, onWell, recording, random }: Deps): Flights {
  const turns = createTurns<Channel>()
  const underWay = new Map<Promise<void>, string>()
  const ofTenant = new Map<string, number>()
  let preparing = 0
  const passedOver = new Map<string, Set<Channel>>()
  const most = Math.max(1, Math.floor(atOnce * 0.75))
  /** Messages that could not be tried for a reason of ours: database, key, a bug. */
  const localTrouble = new Map<string, number>()
  const phase = { stopping: false }
  const now = (): number => clock().getTime()

  function wake(channel: Channel): void {
    if (channel.state === 'live') turns.add(channel.lease.tenantId, channel.lease.channelId, channel)
    pump()
  }

  /** Turns take out whoever has nothing; this one has something and no place for it. */
  function isFull(channel: Channel): boolean {
    const { tenantId } = channel.lease
    if ((ofTenant.get(tenantId) ?? 0) < most) return false
    const waiting = passedOver.get(tenantId) ?? new Set()
    passedOver.set(tenantId, waiting.add(channel))
    return true
  }

  function pump(): void {
    while (!phase.stopping && underWay.size < atOnce && preparing < preparingAtOnce) {
      const next = turns.pick((channel) => {
        if (isFull(channel)) return undefined
        const row = mayCall(channel) ? channel.schedule.next(now()) : undefined
        if (row === undefined) sleepUntilDue(channel)
        return row === undefined ? undefined : { channel, row }
      })
      if (next === undefined) return
      const { tenantId } = next.channel.lease
      ofTenant.set(tenantId, (ofTenant.get(tenantId) ?? 0) + 1)
      const flight: Promise<void> = fly(next.channel, next.row).finally(() => {
        underWay.delete(flight)
        landedOf(tenantId)
        wake(next.channel)
      })
      underWay.set(flight, channelKey(next.channel.lease))
    }
  }

  /** Other channels of a tenant that had as many calls as it may have were passed over: they are looked at again. */
  function landedOf(tenantId: string): void {
    const left = (ofTenant.get(tenantId) ?? 1) - 1
    if (left === 0) ofTenant.delete(tenantId)
    else ofTenant.set(tenantId, left)
    if (left !== most - 1) return
    for (const channel of passedOver.get(tenantId) ?? []) if (channel.state === 'live') turns.add(tenantId, channel.lease.channelId, channel)
    passedOver.delete(tenantId)
  }

  /** A channel whose lease is in doubt is woken by its renewal. */
  function sleepUntilDue(channel: Channel): void {
    clearTimeout(channel.timer)
    const at = mayCall(channel) ? channel.schedule.wakeAt(now()) : undefined
    if (at !== undefined) channel.timer = setTimeout(() => wake(channel), Math.min(longestSleepMs, Math.max(1, at - now())))
  }

  async function fly(channel: Channel, row: OutboxRow): Promise<void> {
    const { schedule, holder } = channel
    channel.busyAt = performance.now()
    let isPreparing = true
    preparing++
    const leaves = (): void => {
      if (!isPreparing) return
      isPreparing = false
      preparing--
      pump()
    }
    try {
      const attempted = await attempt(row, { holder, mayCall: () => mayCall(channel), streak: () => channel.streak, leaves })
      localTrouble.delete(row.messageId)
      schedule.finish(row.messageId, attempted.end, now())
      learn(channel, attempted, row)
    } catch (error) {
      // Before the call anything may throw, after it only a hard stop does. The message keeps its place.
      const times = (localTrouble.get(row.messageId) ?? 0) + 1
      localTrouble.set(row.messageId, times)
      const pause = Math.min(longestLocalPauseMs, 500 * 2 ** Math.min(times, 10))
      schedule.finish(row.messageId, { again: { ...row, dueAt: new Date(now() + pause) } }, now())
      if (!hardStop.aborted) log.warn({ err: error, messageId: row.messageId, times }, 'a send could not begin and is tried again')
    }
    leaves()
    channel.busyAt = performance.now()
  }

  function learn(channel: Channel, { called, throughput, channel: effect }: Attempted, row: OutboxRow): void {
    const { schedule } = channel
    const { trouble } = effect
    if (called !== undefined) schedule.setPerSecond(allowedPerSecond(throughput ?? {}, limits.perSecond))
    // What is accepted during a pause was in flight when the trouble came: it does not prove that it is over.
    if (called === 'accepted' && now() >= channel.pausedUntil) {
      if (channel.reported !== undefined) return prove(channel, channel.reported, row)
      channel.streak = 0
      if (channel.troubleCode !== undefined) onWell({ tenantId: channel.lease.tenantId, channelId: channel.lease.channelId })
      // Those that failed together with the first wait for moments of their own, up to an hour away.
      if (channel.troubleCode) schedule.resume(now())
      channel.troubleCode = undefined
      schedule.succeeded()
      if (channel.share < 1) slowTo(channel, Math.min(1, channel.share + 0.005))
    }
    hold(channel, effect)
    if (trouble !== undefined && trouble.code !== channel.troubleCode) {
      channel.troubleCode = trouble.code
      onTrouble({ tenantId: channel.lease.tenantId, channelId: channel.lease.channelId }, trouble)
    }
  }

  /** What was in flight together fails together: it counts once. */
  function hold(channel: Channel, { pauseMs, slower }: ChannelEffect): void {
    if (pauseMs === undefined || now() < channel.pausedUntil) return
    channel.streak++
    channel.pausedUntil = now() + pauseMs
    channel.schedule.pause(channel.pausedUntil)
    if (slower === true) slowTo(channel, Math.max(1 / 32, channel.share / 2))
  }

  function report(channel: Channel, code: string): void {
    const trouble = reportedTrouble(code, { streak: channel.streak + 1, random: random() })
    if (trouble === undefined) return
    // On record with the channel: whatever proves that it is over has to be told.
    channel.troubleCode = code
    if (trouble.lasting) channel.reported = code
    hold(channel, trouble)
  }

  function resume(channel: Channel): void {
    channel.pausedUntil = 0
    channel.streak = 0
    // Whoever mended it is told again if that did not help: what was on record of the trouble is gone with the good test.
    channel.troubleCode = ''
    channel.schedule.resume(now())
    wake(channel)
  }

  /**
   * Meta takes messages of an account that it will not deliver for, and says so seconds later. So the one that was tried alone has to be delivered
   * before others follow; without a report the next one is tried after another pause.
   */
  function prove(channel: Channel, code: string, row: OutboxRow): void {
    const { pauseMs = 0 } = reportedTrouble(code, { streak: Math.max(1, channel.streak), random: random() }) ?? {}
    channel.pausedUntil = now() + pauseMs
    channel.schedule.pause(channel.pausedUntil)
    awaitReport(channel, row).catch((error: unknown) => log.warn({ err: error }, 'nobody could look whether a message was delivered'))
  }

  async function awaitReport(channel: Channel, row: OutboxRow): Promise<void> {
    for (let looks = 0; channel.state === 'live' && channel.reported !== undefined && now() < channel.pausedUntil; looks++) {
      await sleep(Math.min(longestLookMs, firstLookMs * 1.5 ** looks), undefined, { ref: false, signal: hardStop }).catch(() => undefined)
      if (hardStop.aborted || phase.stopping) return
      const { state } = await recording.lookUp(row, row.attempt + 1, channel.holder)
      const reports = outgoingOf(state, row.messageId)?.reported ?? []
      if (channel.reported === undefined || reports.length === 0) continue
      if (reports.includes('failed')) {
        channel.pausedUntil = 0
        return report(channel, channel.reported)
      }
      channel.reported = undefined
      resume(channel)
      // Told here: what is accepted next has nothing to add to it.
      channel.troubleCode = undefined
      return onWell({ tenantId: channel.lease.tenantId, channelId: channel.lease.channelId })
    }
  }

  function slowTo(channel: Channel, share: number): void {
    channel.share = share
    channel.schedule.throttle(share)
  }

  return {
    wake,
    drop(channel) {
      channel.state = 'lost'
      clearTimeout(channel.timer)
      turns.remove(channel.lease.tenantId, channel.lease.channelId)
    },
    report,
    resume,
    async landed(ref) {
      const key = channelKey(ref)
      await Promise.allSettled([...underWay].flatMap(([flight, of]) => (of === key ? [flight] : [])))
    },
    async stop() {
      phase.stopping = true
      await Promise.allSettled(underWay.keys())
    },
    underWay: () => underWay.size,
  }
}
