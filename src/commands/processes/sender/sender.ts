import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { MessageError } from '../../../domain/conversation/events.ts'
import type { Clock } from '../../../domain/kernel/clock.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import type { Vault } from '../../../domain/kernel/vault.ts'
import type { AddressOf, ContactAddress } from '../../contacts/address-of.ts'
import type { Commands } from '../../kernel/execute.ts'
import type { ResolveMedia } from '../../media/resolve-media.ts'
import type { CloudApi } from '../../ports/cloud-api.ts'
import { createAttempt, type AccountOf } from './attempt.ts'
import { createFlights } from './flights.ts'
import { followChannelNews } from './channel-news.ts'
import { createChannels, type SenderStats, type SenderTimes } from './channels.ts'
import type { Content } from './outbox-changes.ts'
import type { ChannelRef } from './outbox-table.ts'
import { runOutbox } from './outbox.ts'
import { createRecording } from './recording.ts'
import type { Limits } from './schedule.ts'

export type SenderOptions = {
  readonly store: EventStore
  readonly commands: Commands
  /** Connects as recado_worker. */
  readonly pool: Pool
  readonly cloudApi: CloudApi
  /** The account to call with, tokens in plain, as they are now; undefined while the channel is not connected: its messages wait. */
  readonly accountOf: AccountOf
  /** How the provider names the contact. */
  readonly recipientOf: AddressOf
  readonly media: ResolveMedia
  readonly vault: Pick<Vault, 'open'>
  /** Another one for every process and every start of it. */
  readonly owner: string
  /** Ends it: calls under way are finished, for `stopMs` at most, then the channels are released. */
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly log: Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>
  readonly random?: () => number
  /** The channel cannot send and somebody should know: told once, until a message comes through again. */
  readonly onChannelTrouble?: (channel: ChannelRef, error: MessageError) => void
  /** A message came through: the first one since this sender took the channel, or since the last trouble. */
  readonly onChannelWell?: (channel: ChannelRef) => void
  readonly limits?: Limits
  /** Calls under way in this process (512). */
  readonly atOnce?: number
  readonly times?: Partial<SenderTimes>
  readonly stopMs?: number
}

export type Sender = {
  /** Resolves when everything is finished and released after `signal`. */
  readonly done: Promise<void>
  readonly stats: () => SenderStats
}

/** Meta's limits (October 2026): 80 messages a second and number, 1 in 6 seconds to the same person with 45 at once. */
const metaLimits: Limits = { perSecond: 80, pair: { perSecond: 1 / 6, burst: 45 }, atOnce: 384 }
const usualTimes: SenderTimes = { leaseMs: 10_000, pollMs: 1_000, idleMs: 30_000 }
/** Sealed contents of messages that will go out soon: what is not here is read when its turn comes. */
const contentsKept = 20_000
/** An address is read from the contact's stream; whoever gets one message often gets the next soon. Memory only. */
const addressesKept = { max: 20_000, ttl: 60_000 }

/** Sends what the log says is queued: the outbox follows the log, one sender per channel follows the outbox, and every attempt is in the log before its call. */
export function startSender(options: SenderOptions): Sender {
  const { store, commands, pool, cloudApi, accountOf, recipientOf, media, vault, owner, signal, clock, log } = options
  const {
    random = Math.random,
    limits = metaLimits,
    atOnce = 512,
    stopMs = 10_000,
    onChannelTrouble: onTrouble = () => undefined,
    onChannelWell: onWell = () => undefined,
  } = options
  const times = { ...usualTimes, ...options.times }
  const hardStop = new AbortController()
  const contents = new LRUCache<string, Content>({ max: contentsKept })
  const recording = createRecording({ commands, store, clock, log })
  const given = { pool, store, commands, recording, contents, owner, clock, log, limits, hardStop: hardStop.signal }
  const attempt = createAttempt({ ...given, cloudApi, vault, accountOf, recipientOf: remembering(recipientOf), media, random })
  const flights = createFlights({ ...given, attempt, atOnce, onTrouble, onWell, random })
  const outbox = runOutbox({
    ...given,
    signal,
    leaseMs: times.leaseMs,
    onNews: (news) => channels.news(news),
  })
  const channels = createChannels({ ...given, outbox, flights, times })
  const hearing = followChannelNews({ store, signal, log, onConnected: channels.connected, onReported: channels.reported })

  async function regularly(ms: number, work: () => Promise<void>, until: AbortSignal): Promise<void> {
    while (!until.aborted) {
      await work().catch((error: unknown) => log.warn({ err: error }, 'the sender could not reach the database'))
      await sleep(ms, undefined, { signal: until }).catch(() => undefined)
    }
  }

  async function run(): Promise<void> {
    const released = new AbortController()
    const renewing = regularly(times.leaseMs / 3, channels.renew, released.signal)
    const polling = regularly(times.pollMs, channels.poll, signal)
    await aborted(signal)
    // Leases are renewed until the last answer is recorded: nobody may take a call under way for one left behind.
    channels.stop()
    const patience = setTimeout(() => hardStop.abort(), stopMs)
    await flights.stop()
    clearTimeout(patience)
    await Promise.all([outbox.done, polling, hearing])
    await channels.release()
    released.abort()
    await renewing
  }

  return { done: run(), stats: channels.stats }
}

function remembering(addressOf: AddressOf): AddressOf {
  const known = new LRUCache<string, ContactAddress>(addressesKept)
  return async (tenantId, contactId) => {
    const key = `${tenantId}/${contactId}`
    const remembered = known.get(key)
    if (remembered !== undefined) return remembered
    const address = await addressOf(tenantId, contactId)
    if ('waId' in address || 'bsuid' in address) known.set(key, address)
    return address
  }
}

const aborted = async (signal: AbortSignal): Promise<void> => {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
}
