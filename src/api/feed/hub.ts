import { setTimeout as sleep } from 'node:timers/promises'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { StoreUnavailable, type EventStore } from '../../domain/kernel/event-store.ts'
import { later, start, type Position } from '../../domain/kernel/position.ts'
import type { FeedType, ServerNote } from './frames.ts'
import type { Listener, Published } from './listener.ts'
import { touchingTypes } from './touch.ts'

/** Events of one tenant → what its listeners are sent, in the same order. Each thing touched is read and rendered once. */
export type RenderFeed = (tenantId: string, events: readonly RecordedEvent[]) => Promise<readonly Published[]>

export type Hub = {
  /** Resolves when the hub knows where the log ends and follows it; nothing else may be asked before. */
  readonly started: Promise<void>
  /** Everything up to here has been told to those who listen. */
  readonly published: () => Position
  /** From now on the listener is offered every event after the position returned, or after `seen` if that is later; what lies before, it must read itself. */
  readonly add: (listener: Listener, seen: Position) => Position
  readonly remove: (listener: Listener) => void
  readonly listeners: () => number
  /** Whether anybody who listens wants this type. */
  readonly wanted: (type: FeedType) => boolean
  /**
   * Offers everybody what is not in the log, made for their organisation and the place they have reached: nothing up to it is left to come to them and
   * everything after it is, so who comes back with that place has missed nothing and gets nothing twice.
   */
  readonly aside: (publishedFor: (tenantId: string, reached: Position) => Published) => void
  /** The events, rendered once the read models show them; a resync in their place when they cannot be rendered. An outage is waited out. */
  readonly render: (tenantId: string, events: readonly RecordedEvent[], through: Position) => Promise<readonly Published[]>
  /** Resolves when the read models show everything up to a position; false when the hub was stopped. */
  readonly shown: (position: Position) => Promise<boolean>
  /** Resolves when credentials are known as of a position. */
  readonly credentialsAt: (position: Position) => Promise<unknown>
  /** Resolves when the hub has stopped, after the signal. */
  readonly ended: Promise<void>
}

type Log = { warn: (fields: object, message: string) => void }

/** What ends or narrows a credential: those who listen are looked at again. */
const credentialTypes = ['TenantSuspended', 'TenantClosed', 'ApiKeyRevoked'] as const

const followed = [...touchingTypes, ...credentialTypes]

/**
 * One per process: follows the log for all connected clients. Per page of events:
 *   claimed := its end → wait until the read models show it → render for the tenants that have listeners → tell → published := its end.
 * Invariants: `published` ≤ `claimed`; a listener that is added gets every event after `claimed` from the hub and reads the ones before it itself,
 * so none is lost or doubled at the seam. With nobody listening a page costs a look at an empty map.
 * What cannot be rendered, and would not be the next time either, becomes a resync of that tenant: all tenants wait for a page together.
 * Rejected: a subscription per client; the page of a busy installation would be read and rendered once per client instead of once.
 */
export function createHub(options: {
  store: EventStore
  shown: (position: Position, timeoutMs: number) => Promise<boolean>
  render: RenderFeed
  /** Resolves when credentials are known as of a position. */
  credentialsAt: (position: Position) => Promise<unknown>
  signal: AbortSignal
  log: Log
}): Hub {
  const { store, signal, log } = options
  /** By tenant: who listens, and from where on. */
  const audience = new Map<string, Map<Listener, Position>>()
  const { promise: started, resolve: isStarted } = Promise.withResolvers<void>()
  let published = start
  let claimed = start

  async function shown(position: Position): Promise<boolean> {
    while (!signal.aborted) if (await options.shown(position, 2000)) return true
    return false
  }

  async function render(tenantId: string, events: readonly RecordedEvent[], through: Position): Promise<readonly Published[]> {
    let failures = 0
    for (let tries = 0; await shown(through); tries++) {
      try {
        return await options.render(tenantId, events)
      } catch (error) {
        if (!isPassing(error) && ++failures === mostFailures) {
          log.warn({ err: error, tenantId, through }, 'the feed cannot read what it has to tell: the listeners of the tenant are told to resync')
          return [resyncAt(through)]
        }
        log.warn({ err: error, tenantId, through }, 'the feed could not read what it has to tell; trying again')
        await pause(Math.min(5000, 100 * 2 ** tries), signal)
      }
    }
    return []
  }

  async function page(events: readonly RecordedEvent[], through: Position): Promise<void> {
    claimed = later(claimed, through)
    const byTenant = new Map<string, RecordedEvent[]>()
    for (const event of events) {
      const { tenantId } = event.stream
      if (!audience.has(tenantId)) continue
      const group = byTenant.get(tenantId)
      if (group === undefined) byTenant.set(tenantId, [event])
      else group.push(event)
    }
    const told = await Promise.all([...byTenant].map(async ([tenantId, group]) => ({ tenantId, feed: await render(tenantId, group, through) })))
    if (signal.aborted) return
    for (const { tenantId, feed } of told) {
      for (const [listener, from] of audience.get(tenantId) ?? []) for (const event of feed) if (event.position > from) listener.offer(event)
    }
    published = later(published, through)
    await recheck(byTenant, through)
  }

  async function recheck(byTenant: ReadonlyMap<string, readonly RecordedEvent[]>, through: Position): Promise<void> {
    for (const [tenantId, events] of byTenant) {
      if (!events.some(({ type }) => credentialTypes.some((known) => known === type))) continue
      await options.credentialsAt(through)
      for (const [listener] of audience.get(tenantId) ?? []) listener.recheck()
    }
  }

  async function follow(): Promise<void> {
    const head = await headOf(store, signal, log)
    if (head === undefined) return
    published = claimed = head
    isStarted()
    for (let tries = 0; !signal.aborted; tries++) {
      try {
        for await (const delivery of store.subscribe({ after: published, filter: { types: followed }, signal, pageSize: 500 })) {
          if (signal.aborted) return
          await page(delivery.kind === 'page' ? delivery.events : [], delivery.through)
          tries = 0
        }
      } catch (error) {
        // A page that was claimed and not told comes again; those who joined after the claim have read it themselves and skip it.
        log.warn({ err: error, published }, 'the feed lost the log; following it again')
      }
      await pause(Math.min(5000, 100 * 2 ** tries), signal)
    }
  }

  const ended = follow()
  return {
    started,
    published: () => published,
    shown,
    render,
    credentialsAt: options.credentialsAt,
    add(listener, seen) {
      const from = later(claimed, seen)
      const group = audience.get(listener.tenantId)
      if (group === undefined) audience.set(listener.tenantId, new Map([[listener, from]]))
      else group.set(listener, from)
      return claimed
    },
    remove(listener) {
      const group = audience.get(listener.tenantId)
      group?.delete(listener)
      if (group?.size === 0) audience.delete(listener.tenantId)
    },
    wanted: (type) => [...audience.values()].some((group) => [...group.keys()].some(({ hearing }) => hearing.wants(type))),
    aside(publishedFor) {
      // A listener reads up to `from` by itself before it is given anything from here.
      for (const [tenantId, group] of audience) {
        for (const [listener, from] of group) listener.offer(publishedFor(tenantId, later(published, from)))
      }
    },
    listeners: () => [...audience.values()].reduce((sum, group) => sum + group.size, 0),
    ended,
  }
}

const mostFailures = 3

/** Stands where the events would have stood, for whoever listens, whatever to: in the order of the rest, and held back like it. */
function resyncAt(position: Position): Published {
  const bytes = Buffer.from(JSON.stringify({ type: 'resync', position } satisfies ServerNote))
  return { position, framesFor: () => [bytes] }
}

/** SQLSTATEs of a database that is away or busy, and the codes of a network that is. */
const passingCode = /^(08|40|53|55|57|58)\w{3}$|^25006$|^E(?!RR_)[A-Z_]{3,}$/
/** What pg throws by itself about its connections and waits has no code. */
const passingText = /terminated|time-?out|timed out|not queryable|calling end|connection/i

/** Whether the next try may do better: the database or the network is in the way, and not the data. */
function isPassing(error: unknown): boolean {
  if (error instanceof StoreUnavailable) return true
  if (!(error instanceof Error)) return false
  if (isPassing(error.cause)) return true
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? passingCode.test(code) : error.constructor === Error && passingText.test(error.message)
}

async function headOf(store: EventStore, signal: AbortSignal, log: Log): Promise<Position | undefined> {
  for (let tries = 0; !signal.aborted; tries++) {
    try {
      return (await store.head()).position
    } catch (error) {
      log.warn({ err: error }, 'the feed cannot see the log yet; trying again')
      await pause(Math.min(5000, 100 * 2 ** tries), signal)
    }
  }
  return undefined
}

/** A sleep that an abort ends early and quietly. */
const pause = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal }).catch(() => undefined)
