import type { Position } from '../../../domain/kernel/position.ts'
import type { ChannelLease } from './channel-leases.ts'
import { createSchedule, type Limits, type Schedule } from './schedule.ts'

/**
 * A channel this process sends for: TAKING (leased; what the one before left behind is settled) → LIVE → LOST (released when idle, or taken by another).
 * Invariant: a channel is live only after everything that was in the log when it was leased is in its schedule, and after every attempt that
 * another sender began and never ended is on record as unknown.
 */
export type Channel = {
  readonly lease: ChannelLease
  /** One hold of the channel: owner and fencing token. */
  readonly holder: string
  readonly schedule: Schedule
  state: 'taking' | 'live' | 'lost'
  /** Every row of the outbox up to here is known; undefined until the channel was read. */
  knownTo: Position | undefined
  /** The outbox is being read for it; what is told meanwhile is read again afterwards, so that nothing overtakes what was not seen yet. */
  reading: boolean
  missed: boolean
  /** By performance.now(): until then nobody else can have it. */
  validUntil: number
  /** Calls in a row that ended in trouble of the channel. */
  streak: number
  pausedUntil: number
  /** Of the allowed rate. */
  share: number
  /** The trouble that was told; empty until a first message came through, undefined since one did. */
  troubleCode: string | undefined
  /** The trouble that came by reports on messages that had been taken: it is over when such a report is good. */
  reported: string | undefined
  /** By performance.now(). */
  busyAt: number
  timer: NodeJS.Timeout | undefined
}

export function createChannel(lease: ChannelLease, owner: string, limits: Limits, now: number, validUntil: number): Channel {
  return {
    lease,
    holder: `${owner} ${lease.token}`,
    schedule: createSchedule(limits, now),
    state: 'taking',
    knownTo: undefined,
    reading: false,
    missed: false,
    validUntil,
    streak: 0,
    pausedUntil: 0,
    share: 1,
    troubleCode: '',
    reported: undefined,
    busyAt: performance.now(),
    timer: undefined,
  }
}

/** Before the database's clock lets another one in there must be time for the request to leave. */
const leaseMarginMs = 1_000

export const mayCall = (channel: Channel): boolean => channel.state === 'live' && performance.now() < channel.validUntil - leaseMarginMs
