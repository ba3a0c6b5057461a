import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, QueryResult } from 'pg'
import type { Logger } from 'pino'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import { start, type Position } from '../../../domain/kernel/position.ts'
import { checkpointOf, checkpointStatement, holdLease, isLeaseLost, type Lease } from '../../../postgres/lease.ts'
import { inOneFlight } from '../../../postgres/transaction.ts'
import { outboxChanges, outboxTypes, type Content, type OutboxChange } from './outbox-changes.ts'
import { withReturned } from './outbox-returned.ts'
import { attemptsOf, purgeRecentSends, sendsStatement } from './recent-sends.ts'
import { deleteStatement, insertStatement, outboxRow, rowOfNew, updateStatement, type OutboxRow } from './outbox-table.ts'

export const outboxSubscription = 'outbox'

/** What a commit of the outbox brought: messages that wait for a try, with what they say where it is at hand. */
export type OutboxNews = { readonly row: OutboxRow; readonly content?: Content }

export type Outbox = {
  /** This process writes the outbox and is told at once of all news after this position; undefined while another one does. */
  readonly writingSince: () => Position | undefined
  /** Whether everything up to a position of the log is in the outbox, whoever writes it. */
  readonly hasReached: (position: Position) => Promise<boolean>
  /** Resolves when the signal has ended it. */
  readonly done: Promise<void>
}

type Options = {
  store: EventStore
  pool: Pool
  owner: string
  leaseMs: number
  signal: AbortSignal
  log: Pick<Logger, 'warn' | 'debug'>
  onNews: (news: readonly OutboxNews[]) => void
}

const lazyMs = 1_000
const purgeMs = 60_000
const sharedMs = 50

/**
 * The log → work.outbox. WAITING (another process writes it) → WRITING → WAITING when the lease is lost; any other trouble ends in WRITING again, from the checkpoint.
 * Invariant: the rows are those that the events up to the checkpoint make, because both are written in one transaction that begins with the checkpoint.
 */
export function runOutbox({ store, pool, owner, leaseMs, signal, log, onNews }: Options): Outbox {
  /** Everything up to here is in the table; undefined while another process writes it. */
  let applied: Position | undefined
  let since: Position | undefined
  let asked: { at: number; checkpoint: Promise<Position | undefined> } | undefined

  /** Many channels may wait for it together: they share the question. */
  async function checkpoint(): Promise<Position> {
    if (asked === undefined || performance.now() - asked.at > sharedMs) {
      asked = { at: performance.now(), checkpoint: checkpointOf(pool, outboxSubscription) }
    }
    return (await asked.checkpoint) ?? start
  }

  async function write(lease: Lease, signal: AbortSignal): Promise<void> {
    let stored = lease.position
    let seen = lease.position
    applied = stored
    since = stored
    let last: Promise<unknown> = Promise.resolve()

    async function commit(changes: readonly OutboxChange[], to: Position, events: readonly RecordedEvent[] = []): Promise<void> {
      if (to <= stored) return
      const checkpoint = checkpointStatement({ name: lease.name, token: lease.token, from: stored, to })
      const update = updateStatement(changes)
      const sends = sendsStatement(attemptsOf(events, changes, Date.now()))
      const statements = [checkpoint, update, sends, insertStatement(changes), deleteStatement(changes)].filter((one) => one !== undefined)
      const results = await inOneFlight(pool, statements)
      stored = to
      const news = [...freshNews(changes), ...(update === undefined ? [] : againNews(results[1]))]
      if (news.length > 0) onNews(news)
    }
    const inTurn = (work: () => Promise<void>): Promise<void> => {
      const mine = last.then(work)
      last = mine.catch(() => undefined)
      return mine
    }

    const failed = new AbortController()
    const ended = AbortSignal.any([signal, failed.signal])
    // A log full of other things moves the checkpoint once a second only, and also when nothing follows: whoever takes over waits for it.
    const lazily = setInterval(() => {
      if (seen > stored) inTurn(() => commit([], seen)).catch((error: unknown) => failed.abort(error))
    }, lazyMs)
    const purging = setInterval(() => {
      purgeRecentSends(pool).catch((error: unknown) => log.debug({ err: error }, 'what was sent a while ago could not be forgotten'))
    }, purgeMs)
    try {
      for await (const delivery of store.subscribe({ after: lease.position, filter: { types: outboxTypes }, signal: ended })) {
        const { events, through } = delivery.kind === 'page' ? delivery : { events: [], through: delivery.through }
        const changes = await withReturned(outboxChanges(events), through, { store, db: pool })
        if (changes.length > 0) await inTurn(() => commit(changes, through, events))
        seen = through
        applied = through
      }
      if (failed.signal.aborted) throw failed.signal.reason
    } finally {
      clearInterval(lazily)
      clearInterval(purging)
      applied = undefined
      since = undefined
      await last
    }
  }

  async function run(): Promise<void> {
    const lease = { pool, name: outboxSubscription, owner, ttlMs: leaseMs, signal }
    await holdLease({ ...lease, onChange: (change, err) => log.debug({ change, err }, 'outbox lease') }, async (lease, held) => {
      try {
        await write(lease, held)
      } catch (error) {
        if (isLeaseLost(error)) throw error
        if (held.aborted) return
        log.warn({ err: error }, 'the outbox was disturbed and starts again from its checkpoint')
        await sleep(500, undefined, { signal: held }).catch(() => undefined)
      }
    })
  }

  return {
    writingSince: () => since,
    async hasReached(position) {
      return (applied ?? (await checkpoint())) >= position
    },
    done: run(),
  }
}

function freshNews(changes: readonly OutboxChange[]): OutboxNews[] {
  return changes.flatMap((change) => {
    const row = change.gone === undefined && change.state === 'queued' ? rowOfNew(change) : undefined
    return row === undefined || change.queued === undefined ? [] : [{ row, content: change.queued }]
  })
}

const againNews = (result: QueryResult | undefined): OutboxNews[] =>
  ((result?.rows ?? []) as Parameters<typeof outboxRow>[0][]).map((row) => ({ row: outboxRow(row) }))
