import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { Clock } from '../../../domain/kernel/clock.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import { derivedId } from '../../../domain/kernel/ids.ts'
import { start, type Position } from '../../../domain/kernel/position.ts'
import type { ReplayCounts, ReplayFilter } from '../../../domain/replay/events.ts'
import { replay as replayAggregate } from '../../../domain/replay/replay.ts'
import { checkpointStatement, holdLease, isLeaseLost, type Lease } from '../../../postgres/lease.ts'
import { pause } from '../../../postgres/pause.ts'
import { inTransaction } from '../../../postgres/transaction.ts'
import type { ReplayDelivery } from '../../deliveries/replay-delivery.ts'
import { noCounts } from '../../deliveries/replays.ts'
import type { Commands } from '../../kernel/execute.ts'
import { advance, openReplays, setTotal, writeReplays, type OpenReplay } from './replay-table.ts'

const types = ['ReplayRequested', 'ReplayCancelled', 'ReplayFinished'] as const
const leaseMs = 10_000
const idleMs = 1_000
/** Deliveries between two notes of how far it is: what a crash repeats at most, and repeating finds that it was done. */
const portion = 10

export type Replayer = {
  readonly store: EventStore
  readonly pool: Pool
  readonly commands: Commands
  readonly replay: ReplayDelivery
  /** Stuck deliveries of a tenant in the order of the log, and how many there are. */
  readonly find: (
    tenantId: string,
    filter: ReplayFilter,
    walk: { after: Position; upto: Position; limit: number },
  ) => Promise<readonly { readonly id: string; readonly position: Position }[]>
  readonly count: (tenantId: string, filter: ReplayFilter, upto: Position) => Promise<number>
  /** Whether what `find` looks at shows everything up to a position. */
  readonly shown: (position: Position) => Promise<boolean>
  readonly owner: string
  readonly clock: Clock
  readonly log: Logger
  readonly signal: AbortSignal
}

/**
 * Replays of many deliveries, one delivery after the other, each replay no faster than it was asked for; several of them take turns.
 *
 * WAITING (another process has the lease) → WORKING: the log's requests become rows, beside it portions of the rows are replayed → DISTURBED → WORKING again.
 * Invariant: a replay goes through deliveries in the order of the log and its row says how far it came; what a crash makes it do again has the same command
 * ids, so a delivery notes one replay and its counts are those of that note.
 */
export async function runReplayer(replayer: Replayer): Promise<void> {
  const { pool, owner, log, signal } = replayer
  const onChange = (change: string, error?: unknown): void => log.debug({ change, err: error }, 'replayer lease')
  await holdLease({ pool, name: 'replayer', owner, ttlMs: leaseMs, signal, onChange }, async (lease, held) => {
    const over = new AbortController()
    const both = AbortSignal.any([held, over.signal])
    const working = work(replayer, both)
    try {
      await follow(replayer, lease, both)
    } catch (error) {
      if (isLeaseLost(error)) throw error
      if (held.aborted) return
      log.error({ err: error }, 'the replayer was disturbed, starting again from its checkpoint')
      await pause(500, held)
    } finally {
      over.abort()
      await working
    }
  })
}

async function follow({ store, pool }: Replayer, lease: Lease, signal: AbortSignal): Promise<void> {
  let from = lease.position
  for await (const page of store.subscribe({ after: from, filter: { types }, signal })) {
    if (page.kind === 'caught-up' || page.through <= from) continue
    await inTransaction(pool, async (client) => {
      await client.query(checkpointStatement({ ...lease, from, to: page.through }))
      await writeReplays(client, page.events)
    })
    from = page.through
  }
}

async function work(replayer: Replayer, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const open = await openReplays(replayer.pool)
      for (const one of open) if (!signal.aborted) await workOn(replayer, one, signal)
      if (open.length === 0) await pause(idleMs, signal)
    } catch (error) {
      if (signal.aborted) return
      replayer.log.warn({ err: error }, 'a replay was disturbed, going on where it was')
      await pause(idleMs, signal)
    }
  }
}

async function workOn(replayer: Replayer, one: OpenReplay, signal: AbortSignal): Promise<void> {
  const { pool, find, count, shown } = replayer
  const { tenantId, filter, through, upto, rate } = one
  if (rate === 0) return finish(replayer, one)
  if (!(await shown(upto))) return void (await pause(100, signal))
  if (through === start) await setTotal(one, await count(tenantId, filter, upto), pool)
  const stuck = await find(tenantId, filter, { after: through, upto, limit: portion })
  let done = noCounts
  let last = through
  for (const { id, position } of stuck) {
    const [counted] = await Promise.all([replayOne(replayer, one, id), pause(1_000 / rate, signal)])
    done = sum(done, counted)
    last = position
    if (signal.aborted) break
  }
  if (stuck.length > 0) await advance(pool, one, last, done)
  if (stuck.length < portion && !signal.aborted) await finish(replayer, { ...one, counts: sum(one.counts, done) })
}

async function replayOne({ replay, clock }: Replayer, { tenantId, replayId, actor }: OpenReplay, deliveryId: string): Promise<ReplayCounts> {
  const commandId = derivedId('replay', replayId, deliveryId)
  const outcome = await replay(
    { deliveryId, dryRun: false },
    { tenantId, actor, commandId, correlationId: replayId, causationId: replayId, at: clock() },
  )
  if (!('position' in outcome)) return { ...noCounts, matched: 1, unreadable: 1 }
  const { items, failed, waiting } = outcome
  return { ...noCounts, matched: 1, replayed: waiting ? 0 : 1, waiting: waiting ? 1 : 0, items, failed }
}

/** The row goes by itself when the log has come around with the end. */
async function finish({ commands, clock, pool }: Replayer, { tenantId, replayId, counts }: OpenReplay): Promise<void> {
  const commandId = derivedId('finish', replayId)
  const actor = { kind: 'process', id: 'replayer' } as const
  const context = { tenantId, actor, commandId, correlationId: replayId, causationId: replayId, at: clock() }
  await commands.execute(replayAggregate, replayId, { type: 'finish', counts }, context)
  await pool.query('delete from work.replays where tenant_id = $1 and replay_id = $2', [tenantId, replayId])
}

const sum = (a: ReplayCounts, b: ReplayCounts): ReplayCounts => ({
  matched: a.matched + b.matched,
  replayed: a.replayed + b.replayed,
  unreadable: a.unreadable + b.unreadable,
  waiting: a.waiting + b.waiting,
  items: a.items + b.items,
  failed: a.failed + b.failed,
})
