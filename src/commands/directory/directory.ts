import type { Clock } from '../../domain/kernel/clock.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { later, start, type Position } from '../../domain/kernel/position.ts'
import type { Vault } from '../../domain/kernel/vault.ts'
import { pause } from '../../postgres/pause.ts'
import type { Routes } from '../deliveries/route-delivery.ts'
import type { CloudApiAccount } from '../ports/cloud-api.ts'
import { createChannelBook, type ChannelEntry, type HookApp } from './channel-book.ts'
import { createTenantBook, type KeyEntry, type TenantEntry } from './tenant-book.ts'

/**
 * Who is who, in memory: what must be known before the tenant is (whose key, whose number, whose hook), and what is asked for at every request.
 * One per process, without a lease: each folds the tenants' and channels' events from the start of the log and then follows its tip.
 *
 * LOADING → READY → CLOSED, or FAILED when the log cannot be followed: then every wait rejects, and the process should end.
 */
export type { ChannelEntry, HookApp } from './channel-book.ts'

export type Directory = Routes & {
  /** Resolves once everything that was in the log at the start is known. */
  readonly ready: () => Promise<void>
  /** Resolves once the events up to a position are known here, so that a key works in the very request after the one that made it. */
  readonly waitFor: (position: Position) => Promise<void>
  readonly keyOf: (hash: string) => KeyEntry | undefined
  readonly tenantOf: (tenantId: string) => TenantEntry | undefined
  readonly tenantOfSlug: (slug: string) => TenantEntry | undefined
  /** Undefined for the channel of another tenant, too. */
  readonly channelOf: (tenantId: string, channelId: string) => ChannelEntry | undefined
  readonly channelsOf: (tenantId: string) => readonly ChannelEntry[]
  /** Every channel of the installation: for what looks after all of them, never for a request. */
  readonly allChannels: () => readonly ChannelEntry[]
  /** The credentials of a channel, opened at first use and kept until they change. Undefined when there is no such channel, or its keys were destroyed. */
  readonly accountOf: (tenantId: string, channelId: string) => Promise<CloudApiAccount | undefined>
  /** The own Meta app behind a hook, with every app secret that is still accepted. */
  readonly appOfHook: (hook: string) => Promise<HookApp | undefined>
  readonly close: () => Promise<void>
}

const types = [
  'TenantCreated',
  'TenantChanged',
  'TenantSuspended',
  'TenantResumed',
  'TenantClosed',
  'ApiKeyIssued',
  'ApiKeyRevoked',
  'ChannelAdded',
  'ChannelRenamed',
  'ChannelCredentialsChanged',
  'ChannelConnected',
  'ChannelCheckFailed',
  'ChannelDisconnected',
  'ChannelRemoved',
] as const

type Waiting = { readonly position: Position; readonly resolve: () => void; readonly reject: (reason: unknown) => void }

/** `onFailed` is told once, when following the log ended with an error. */
export function createDirectory({
  store,
  vault,
  clock,
  onFailed,
}: {
  store: EventStore
  vault: Vault
  clock: Clock
  onFailed: (error: unknown) => void
}): Directory {
  const tenants = createTenantBook()
  const channels = createChannelBook({ vault, clock })
  const ended = new AbortController()
  let through = start
  let failure: { readonly error: unknown } | undefined
  let waiting: readonly Waiting[] = []
  let caughtUp: () => void = () => undefined
  let gaveUp: (reason: unknown) => void = () => undefined
  const loaded = new Promise<void>((resolve, reject) => {
    caughtUp = resolve
    gaveUp = reject
  })
  // Whoever asks for `ready` sees the failure; a process that does not ask must not end by an unhandled rejection.
  loaded.catch(() => undefined)

  function reached(position: Position): void {
    through = later(through, position)
    const done = waiting.filter((one) => one.position <= through)
    if (done.length === 0) return
    waiting = waiting.filter((one) => one.position > through)
    for (const one of done) one.resolve()
  }

  function fail(error: unknown): void {
    failure = { error }
    gaveUp(error)
    for (const one of waiting) one.reject(error)
    waiting = []
  }

  /** The keyring's database being away is waited out, like the log's; false when the directory was closed meanwhile. */
  async function settled(): Promise<boolean> {
    for (let tries = 0; ; tries++) {
      try {
        await channels.settle()
        return true
      } catch {
        if (!(await pause(Math.min(5_000, 100 * 2 ** Math.min(tries, 6)), ended.signal))) return false
      }
    }
  }

  async function follow(): Promise<void> {
    for await (const delivery of store.subscribe({ after: start, filter: { types }, signal: ended.signal })) {
      if (delivery.kind === 'page') {
        for (const event of delivery.events) {
          if (event.stream.category === 'tenant') tenants.take(event)
          else channels.take(event)
        }
        if (!(await settled())) return
      }
      reached(delivery.through)
      if (delivery.kind === 'caught-up') caughtUp()
    }
  }

  const following = follow().then(
    () => fail(new Error('the directory is closed')),
    (error: unknown) => {
      fail(error)
      if (!ended.signal.aborted) onFailed(error)
    },
  )

  return {
    ready: () => loaded,
    waitFor(position) {
      if (position <= through) return Promise.resolve()
      if (failure !== undefined) return Promise.reject(new Error('the directory no longer follows the log', { cause: failure.error }))
      return new Promise((resolve, reject) => {
        waiting = [...waiting, { position, resolve, reject }]
      })
    },
    keyOf: tenants.keyOf,
    tenantOf: tenants.tenantOf,
    tenantOfSlug: tenants.tenantOfSlug,
    channelOf: channels.channelOf,
    channelsOf: channels.channelsOf,
    allChannels: channels.all,
    channelOfNumber: channels.channelOfNumber,
    tenantsOfWaba: channels.tenantsOfWaba,
    accountOf: channels.accountOf,
    appOfHook: channels.appOfHook,
    async close() {
      ended.abort()
      await following
    },
  }
}
