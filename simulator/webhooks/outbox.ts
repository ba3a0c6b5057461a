import { Pool } from 'undici'
import { metaJson, signature } from '../wire/meta-json.ts'
import type { EventBus } from '../control/event-bus.ts'
import type { Scheduler } from '../world/scheduler.ts'
import { chance, type Switches } from '../world/switches.ts'
import { route, type Target } from './route.ts'
import type { World } from '../world/world.ts'

export type Update = { readonly waba_id: string; readonly phone_number_id?: string; readonly field: string; readonly value: unknown }

export type OutboxOptions = {
  readonly connections: number
  readonly maxPending: number
  readonly timeoutMs: number
  readonly retryMaxMs: number
  readonly log: (line: string) => void
}

export type OutboxStats = {
  pending: number
  in_flight: number
  waiting_for_retry: number
  posted: number
  acknowledged: number
  failed: number
  dropped: number
  last_status: number | null
}

export type Outbox = {
  readonly push: (update: Update) => void
  /** Look again: the switches or an address changed. */
  readonly kick: () => void
  readonly stats: () => OutboxStats
  readonly clear: () => void
  readonly close: () => Promise<void>
}

type Change = { readonly waba_id: string; readonly json: string }
/** Everything for one address and one secret: only what shares both can share a POST. */
type Lane = { readonly target: Target; queue: Change[]; head: number; flushAt: number }
type Post = {
  readonly target: Target
  readonly body: string
  readonly headers: Record<string, string>
  readonly updates: number
  attempt: number
  readonly since: number
}

const week = 7 * 24 * 3_600_000

/**
 * Webhooks on their way out. An update is QUEUED in a lane → part of a POST → acknowledged by exactly 200, or WAITING_FOR_RETRY:
 * at once, then with doubling pauses, the whole POST with the same bytes, for a week. Memory is bounded by `maxPending` updates; beyond it
 * the newest are dropped and counted, because a simulator that eats the machine is worse than one that says it lost something.
 */
export function createOutbox(world: World, switches: Switches, scheduler: Scheduler, events: EventBus, options: OutboxOptions): Outbox {
  const lanes = new Map<string, Lane>()
  const pools = new Map<string, Pool>()
  const parked: Post[] = []
  const stats: OutboxStats = { pending: 0, in_flight: 0, waiting_for_retry: 0, posted: 0, acknowledged: 0, failed: 0, dropped: 0, last_status: null }
  let generation = 0
  let closed = false
  let pumpQueued = false

  const poolOf = (origin: string): Pool => {
    const existing = pools.get(origin)
    if (existing) return existing
    const pool = new Pool(origin, {
      connections: options.connections,
      pipelining: 1,
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
      allowH2: false,
    })
    pools.set(origin, pool)
    return pool
  }

  function push(update: Update): void {
    const json = metaJson({ value: update.value, field: update.field })
    for (const target of route(world, update)) {
      if (stats.pending >= options.maxPending) {
        if (stats.dropped++ === 0) options.log(`webhooks: more than ${options.maxPending} updates are waiting, the newest are dropped`)
        continue
      }
      stats.pending += 1
      const change = { waba_id: update.waba_id, json }
      if (chance(switches.shuffle)) {
        const held = generation
        scheduler.after(Math.random() * switches.shuffle_ms, () => held === generation && enqueue(target, change))
      } else enqueue(target, change)
    }
  }

  function enqueue(target: Target, change: Change): void {
    const key = `${target.url}\n${target.secret}`
    let lane = lanes.get(key)
    if (!lane) lanes.set(key, (lane = { target, queue: [], head: 0, flushAt: 0 }))
    if (lane.head === lane.queue.length && switches.batch_wait_ms > 0) {
      lane.flushAt = performance.now() + switches.batch_wait_ms
      scheduler.after(switches.batch_wait_ms, pump)
    }
    lane.queue.push(change)
    schedulePump()
  }

  /** Once per turn of the event loop, so that what is pushed in one turn can share a POST. */
  function schedulePump(): void {
    if (pumpQueued) return
    pumpQueued = true
    setImmediate(() => {
      pumpQueued = false
      pump()
    })
  }

  function pump(): void {
    if (closed || switches.webhooks_paused) return
    while (parked.length > 0 && stats.in_flight < options.connections) {
      const post = parked.shift()
      if (post) void deliver(post)
    }
    for (const lane of lanes.values()) {
      while (lane.head < lane.queue.length && stats.in_flight < options.connections && isDue(lane)) void deliver(build(lane))
    }
  }

  const isDue = (lane: Lane): boolean => lane.queue.length - lane.head >= switches.batch_size || performance.now() >= lane.flushAt

  /** One entry per account, one change per update, as Meta groups them. */
  function build(lane: Lane): Post {
    const taken = lane.queue.slice(lane.head, lane.head + switches.batch_size)
    lane.head += taken.length
    if (lane.head > 1024 && lane.head * 2 > lane.queue.length) {
      lane.queue = lane.queue.slice(lane.head)
      lane.head = 0
    }
    const entries = new Map<string, string[]>()
    for (const change of taken) {
      const changes = entries.get(change.waba_id)
      if (changes) changes.push(change.json)
      else entries.set(change.waba_id, [change.json])
    }
    const time = Math.floor(Date.now() / 1000)
    const entry = [...entries].map(([id, changes]) => `{"id":"${id}","time":${time},"changes":[${changes.join(',')}]}`)
    const body = `{"object":"whatsapp_business_account","entry":[${entry.join(',')}]}`
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'facebookexternalua',
      accept: '*/*',
      'x-hub-signature-256': signature(lane.target.secret, body),
    }
    const post = { target: lane.target, body, headers, updates: taken.length, attempt: 0, since: Date.now() }
    if (chance(switches.duplicates)) again({ ...post, updates: 0 }, 20 + Math.random() * 480)
    return post
  }

  async function deliver(post: Post): Promise<void> {
    const mine = generation
    stats.in_flight += 1
    stats.posted += 1
    const status = await send(post)
    stats.in_flight -= 1
    // First, because what was pushed after a `clear` may be waiting for this very place.
    schedulePump()
    if (mine !== generation || closed) return
    stats.last_status = status
    events.publish('webhook', () => ({ status, updates: post.updates, attempt: post.attempt + 1 }))
    if (status === 200) {
      stats.acknowledged += 1
      stats.pending -= post.updates
    } else retry(post)
  }

  async function send(post: Post): Promise<number> {
    try {
      const { origin, path } = post.target
      const response = await poolOf(origin).request({ method: 'POST', path, headers: post.headers, body: post.body })
      await response.body.dump()
      return response.statusCode
    } catch {
      return 0
    }
  }

  function retry(post: Post): void {
    stats.failed += 1
    post.attempt += 1
    if (Date.now() - post.since > week) {
      stats.pending -= post.updates
      stats.dropped += post.updates
      return
    }
    // At once, then 1 s, 2 s, 4 s …
    const pause = post.attempt === 1 ? 0 : Math.min(options.retryMaxMs, 1000 * 2 ** Math.min(20, post.attempt - 2))
    again(post, pause)
  }

  function again(post: Post, pauseMs: number): void {
    const mine = generation
    stats.waiting_for_retry += 1
    scheduler.after(pauseMs, () => {
      if (mine !== generation) return
      stats.waiting_for_retry -= 1
      parked.push(post)
      pump()
    })
  }

  return {
    push,
    kick: schedulePump,
    stats: () => ({ ...stats }),
    clear() {
      generation += 1
      lanes.clear()
      parked.length = 0
      Object.assign(stats, { pending: 0, waiting_for_retry: 0, posted: 0, acknowledged: 0, failed: 0, dropped: 0, last_status: null })
    },
    async close() {
      closed = true
      await Promise.all([...pools.values()].map((pool) => pool.destroy()))
    },
  }
}
