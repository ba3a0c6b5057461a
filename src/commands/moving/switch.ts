import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import type { LogImport } from '../../domain/kernel/log-import.ts'
import { freezeLog, keepFrozen, leaveEngine, logHome, logUsers, notAcknowledged, reopenLog } from '../../postgres/log-home.ts'
import { inTransaction } from '../../postgres/transaction.ts'
import { compareOn, compareStreams, endsAgree, type Sample } from './compare.ts'
import { copyOn } from './copy.ts'
import type { Move } from './moves.ts'
import { translatePositions, type Translated } from './positions.ts'

export type SwitchStage = 'freezing' | 'copying the rest' | 'comparing the rest' | 'waiting for processes to end' | 'translating positions'

export type MoveParts = {
  /** As `recado_worker`. */
  readonly pool: Pool
  /** The tables' owner, without a limit for a statement. */
  readonly ownerPool: Pool
  readonly source: EventStore
  readonly destination: EventStore
  readonly imports: LogImport
  readonly signal?: AbortSignal | undefined
}

export type SwitchOptions = MoveParts & {
  readonly move: Move
  readonly sample: Sample
  readonly onStage?: (stage: SwitchStage, waitingFor?: readonly string[]) => void
  /** The index that an engine keeps in PostgreSQL beside itself has seen everything: else the first process would have to wait for it. */
  readonly settled?: () => Promise<void>
}

/** It cannot be done now; nothing has changed. */
class SwitchRefused extends Error {
  override readonly name = 'SwitchRefused'
}

const frozenForMs = 60_000
const waitMs = 250

/**
 * FREEZING (no process appends any more) → the rest is copied and compared → LEAVING (every process ends) → the positions in PostgreSQL are translated and the
 * log has its new home, in one transaction. Reads go on until LEAVING.
 * Killed while frozen: the freeze lapses within a minute, and the log goes on where it was. Killed while leaving: nothing appends, and processes that start
 * wait; the same command goes on, or `reopenLog` calls it off. There is no moment at which two engines take appends.
 */
export async function switchLog(options: SwitchOptions): Promise<{ move: Move; translated: Translated; streamsRead: number; frozenMs: number }> {
  const { pool, ownerPool, source, destination, sample, onStage, signal } = options
  let { move } = options
  const began = performance.now()
  const home = await logHome(pool)
  if (home !== undefined && home.engine !== move.source) throw new SwitchRefused(`The log is on ${home.engine}, not on ${move.source}.`)
  let epoch = home?.gate === 'leaving' ? home.epoch : undefined
  let frozen: Frozen | undefined
  try {
    if (epoch === undefined) {
      await refuseOpenRebuilds(pool)
      onStage?.('freezing')
      frozen = await freeze(pool, move.source)
      await until(signal, async () => {
        const waiting = await notAcknowledged(pool, frozen?.epoch ?? 0)
        if (waiting.length > 0) onStage?.('freezing', waiting)
        return waiting.length === 0
      })
    }
    onStage?.('copying the rest')
    move = await copyOn({ ...options, move, destination: options.imports })
    onStage?.('comparing the rest')
    move = await compareOn({ ...options, move, sample })
    await endsAgree({ source, destination, move })
    const streamsRead = await compareStreams(sample.streams(), { source, destination, move })
    await options.settled?.()
    signal?.throwIfAborted()

    if (frozen !== undefined) {
      epoch = await leaveEngine(pool, move.source, frozen.epoch)
      await frozen.stop()
      if (epoch === undefined)
        throw new SwitchRefused('It took longer than the freeze lasts, and the log went on. Start again: what was copied stays.')
    }
    onStage?.('waiting for processes to end')
    await until(signal, async () => {
      const there = await logUsers(pool)
      if (there.length > 0) onStage?.('waiting for processes to end', there)
      return there.length === 0
    })
    onStage?.('translating positions')
    const translated = await settle(ownerPool, move, epoch ?? 0)
    return { move, translated, streamsRead, frozenMs: performance.now() - began }
  } catch (error) {
    await frozen?.stop()
    if (frozen !== undefined) await thaw(pool, move.source)
    throw error
  }
}

/** Only where nothing has been changed yet: `settle` is one transaction. */
const thaw = async (pool: Pool, engine: string): Promise<unknown> => reopenLog(pool, engine).catch(() => undefined)

type Frozen = { readonly epoch: number; readonly stop: () => Promise<void> }

async function freeze(pool: Pool, engine: string): Promise<Frozen> {
  const epoch = await freezeLog(pool, engine, frozenForMs)
  if (epoch === undefined) throw new SwitchRefused('Another `recado store copy` has frozen the log.')
  const over = new AbortController()
  const keep = async (): Promise<void> => {
    while (!over.signal.aborted) {
      await sleep(frozenForMs / 12, undefined, { signal: over.signal }).catch(() => undefined)
      // When it lapsed all the same, `leaveEngine` finds that out.
      if (!over.signal.aborted) await keepFrozen(pool, epoch, frozenForMs).catch(() => undefined)
    }
  }
  const keeping = keep()
  return {
    epoch,
    async stop() {
      over.abort()
      await keeping
    },
  }
}

async function refuseOpenRebuilds(pool: Pool): Promise<void> {
  const { rows } = await pool.query<{ id: string }>(`select id from es.rebuilds where state not in ('live', 'aborted', 'failed') limit 1`)
  if (rows[0] !== undefined) {
    throw new SwitchRefused(
      `Rebuild ${rows[0].id} is under way. Wait for it (recado projections list), or give it up (recado projections abort ${rows[0].id}).`,
    )
  }
}

const settle = async (ownerPool: Pool, move: Move, epoch: number): Promise<Translated> =>
  inTransaction(ownerPool, async (client) => {
    const { rowCount } = await client.query(
      `update es.log_home set engine = $2, gate = 'open', frozen_until = null, epoch = epoch + 1, since = clock_timestamp()
       where engine = $1 and gate = 'leaving' and epoch = $3`,
      [move.source, move.destination, epoch],
    )
    if (rowCount !== 1) throw new SwitchRefused('The move was called off.')
    const translated = await translatePositions(client)
    await client.query(`update es.log_moves set ended_at = clock_timestamp(), updated_at = clock_timestamp(), outcome = 'moved' where id = $1`, [
      move.id,
    ])
    return translated
  })

async function until(signal: AbortSignal | undefined, done: () => Promise<boolean>): Promise<void> {
  while (!(await done())) {
    signal?.throwIfAborted()
    await sleep(waitMs)
  }
}
