import { hostname } from 'node:os'
import { randomUUID } from 'node:crypto'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import type { LogScan } from '../../domain/kernel/log-scan.ts'
import { positionOf, type Position } from '../../domain/kernel/position.ts'
import { checkpointStatement, holdLease, isLeaseLost, LeaseLost, type Lease } from '../../postgres/lease.ts'
import { pause } from '../../postgres/pause.ts'
import { inOneFlight, inTransaction } from '../../postgres/transaction.ts'
import { isPoison } from '../engine/failures.ts'
import type { Form, FormPools, GoingOn, Stretch } from './form.ts'
import { ProjectionRefused, quoted } from './layout.ts'
import { hasAnalyst } from './sql-form.ts'
import { HandlerFailed } from './working-set.ts'

export type CustomRun = FormPools & {
  readonly form: Form
  /** `custom_…`: holds this projection and nothing else. */
  readonly schema: string
  /** Of everything that the tables depend on: when it changes they are built anew. */
  readonly fingerprint: string
  readonly tenantId: string | undefined
  /** Where it begins, exclusive. */
  readonly from: Position
  readonly follow: boolean
  /** Build anew also when the tables are there and up to date. */
  readonly fresh: boolean
  readonly scan: LogScan
  readonly store: Pick<EventStore, 'subscribe' | 'head'>
  /** Opens sealed fields, where the run may. */
  readonly reveal: ((events: readonly RecordedEvent[]) => Promise<readonly RecordedEvent[]>) | undefined
  readonly signal: AbortSignal
  readonly onStage?: (stage: Stage) => void
  readonly onProgress?: (progress: { readonly position: Position; readonly events: number }) => void
}

export type Stage =
  | { readonly stage: 'waiting' }
  | { readonly stage: 'building' | 'going on'; readonly from: Position; readonly to: Position }
  | { readonly stage: 'built' | 'up to date'; readonly position: Position }
  | { readonly stage: 'following'; readonly position: Position }
  | { readonly stage: 'disturbed'; readonly error: unknown }

/** Positions of one stretch for a projection that is told of no events, and events of one transaction for one that is. */
const windowLength = 50_000
const saveAfterMs = 1_000
/** After a crash the next run waits for this long. */
const leaseMs = 5_000

/**
 * WAITING (another process runs it) → BUILDING (from the beginning, into a schema beside the one that is read) → GOING ON (from the checkpoint to the
 * head of now) → FOLLOWING (until `signal`; disturbed by the database it goes on from the checkpoint) → done. The tables are built once and gone on with
 * ever after, until the file changes.
 * Invariant: what is read shows exactly the events up to the checkpoint: a build is swapped in together with it, and every stretch is written in the
 * transaction that moves it. A crash in between repeats nothing; a build that was interrupted starts over.
 */
export async function runCustomProjection(run: CustomRun): Promise<void> {
  const done = new AbortController()
  const owner = `${hostname()} ${process.pid} ${randomUUID()}`
  const progress = { built: false, following: false }
  let failure: unknown
  await holdLease(
    {
      pool: run.pool,
      name: run.schema,
      owner,
      ttlMs: leaseMs,
      signal: AbortSignal.any([run.signal, done.signal]),
      retryMs: 500,
      stays: true,
      onChange: (change, error) => {
        if (change === 'denied') run.onStage?.({ stage: 'waiting' })
        // Who never got anywhere has a wrong address; who follows waits for the database to come back.
        if (change === 'unreachable' && !progress.following) throw error
      },
    },
    async (lease, held) => {
      try {
        await work(run, lease, { held, progress })
        done.abort()
      } catch (error) {
        if (isLeaseLost(error) || held.aborted) return
        if (progress.following && mayPass(error)) {
          run.onStage?.({ stage: 'disturbed', error })
          await pause(1_000, held)
          return
        }
        failure = error
        done.abort()
      }
    },
  )
  if (failure !== undefined) throw failure
}

/** What says nothing about the file or an event: the database went away, or was busy. */
const mayPass = (error: unknown): boolean => !(error instanceof HandlerFailed || error instanceof ProjectionRefused || isPoison(error))

async function work(
  run: CustomRun,
  lease: Lease,
  { held, progress }: { held: AbortSignal; progress: { built: boolean; following: boolean } },
): Promise<void> {
  const { pool, copyPool, form, schema } = run
  const head = (await run.store.head()).position
  const standing = await fingerprintOf(run)
  const mayGoOn = standing === run.fingerprint && (!run.fresh || progress.built)
  let { position } = lease
  if (!mayGoOn) {
    await build(run, lease, head, held)
    position = head
    progress.built = true
    run.onStage?.({ stage: 'built', position })
    if (!run.follow) return
  }
  const line = continuing(run, lease, form.goOn({ pool, copyPool }, schema), position)
  if (position < head) {
    run.onStage?.({ stage: 'going on', from: position, to: head })
    for await (const stretch of stretches(run, position, head, held)) await line.take(stretch)
    position = head
  }
  await line.save()
  if (!run.follow) return run.onStage?.({ stage: 'up to date', position })
  progress.following = true
  run.onStage?.({ stage: 'following', position })
  const filter = { ...(form.types === undefined ? {} : { types: form.types }), ...(run.tenantId === undefined ? {} : { tenantId: run.tenantId }) }
  let after = position
  for await (const delivery of run.store.subscribe({ after: position, filter, signal: held, pageSize: 1_000 })) {
    if (delivery.kind === 'page') await line.take({ events: await opened(run, delivery.events), after, through: delivery.through })
    after = delivery.through
    await line.save(saveAfterMs)
  }
  await line.save()
}

/** Stretches are written one after the other, each with the checkpoint; those that change nothing leave it where it is until `save`. */
function continuing({ pool, onProgress }: CustomRun, lease: Lease, going: GoingOn, from: Position) {
  let stored = from
  let reached = from
  let savedAt = performance.now()
  async function commit(statements: Awaited<ReturnType<GoingOn['prepare']>>): Promise<void> {
    await inOneFlight(pool, [checkpointStatement({ name: lease.name, token: lease.token, from: stored, to: reached }), ...statements])
    stored = reached
    savedAt = performance.now()
  }
  return {
    async take(stretch: Stretch): Promise<void> {
      const statements = await going.prepare(stretch)
      reached = stretch.through
      if (statements.length > 0) await commit(statements)
      going.committed()
      onProgress?.({ position: reached, events: stretch.events.length })
    },
    async save(notBeforeMs = 0): Promise<void> {
      if (reached > stored && performance.now() - savedAt >= notBeforeMs) await commit([])
    },
  }
}

async function build(run: CustomRun, lease: Lease, head: Position, held: AbortSignal): Promise<void> {
  const { pool, copyPool, form, schema } = run
  const next = `${schema}__next`
  run.onStage?.({ stage: 'building', from: run.from, to: head })
  await pool.query(`drop schema if exists ${next} cascade; create schema ${next}`)
  const tables = await form.create(pool, next)
  await wall(pool, next, tables)
  const filling = form.begin({ pool, copyPool }, next)
  for await (const stretch of stretches(run, run.from, head, held)) {
    await filling.take(stretch)
    run.onProgress?.({ position: stretch.through, events: stretch.events.length })
  }
  await filling.finish()
  held.throwIfAborted()
  await inTransaction(pool, async (client) => {
    // The same compare-and-set that every page begins with: who lost the lease swaps nothing.
    const { rowCount } = await client.query(
      'update es.subscriptions set position = $3, updated_at = clock_timestamp() where name = $1 and fencing_token = $2',
      [lease.name, lease.token, head],
    )
    if (rowCount !== 1) throw new LeaseLost(`another process runs ${schema}`)
    await client.query(`drop schema if exists ${schema} cascade; alter schema ${next} rename to ${schema}`)
    await client.query(`comment on schema ${schema} is '${mark}${run.fingerprint}'`)
  })
}

const mark = 'projection of one’s own, made by recado projections run: '

/** Of the tables that stand; undefined when there are none. @throws ProjectionRefused when the schema is somebody else's */
async function fingerprintOf({ pool, schema }: CustomRun): Promise<string | undefined> {
  const { rows } = await pool.query<{ comment: string | null }>(
    `select obj_description(oid, 'pg_namespace') as comment from pg_namespace where nspname = $1`,
    [schema],
  )
  const [row] = rows
  if (row === undefined) return undefined
  if (row.comment?.startsWith(mark) !== true)
    throw new ProjectionRefused(`There is a schema ${schema} that no projection made. Rename it, or choose another name with --schema.`)
  return row.comment.slice(mark.length)
}

/** Every table is walled like ours: an organisation sees its rows, workers and analysts see all of them. */
async function wall(pool: CustomRun['pool'], schema: string, tables: readonly string[]): Promise<void> {
  const analyst = await hasAnalyst(pool)
  await pool.query(`grant usage on schema ${schema} to recado_api, recado_worker${analyst ? ', recado_analyst' : ''}`)
  for (const name of tables) {
    const table = `${schema}.${quoted(name)}`
    await pool.query(`
      alter table ${table} enable row level security;
      create policy tenant_wall on ${table} for select to recado_api using (tenant_id = nullif(current_setting('recado.tenant', true), '')::uuid);
      create policy worker_all on ${table} to recado_worker using (true) with check (true);
      grant select on ${table} to recado_api, recado_worker;
      ${analyst ? `create policy analyst_reads on ${table} for select to recado_analyst using (true); grant select on ${table} to recado_analyst;` : ''}`)
  }
}

/** The log between two positions, in stretches of one transaction's size. */
async function* stretches(run: CustomRun, from: Position, to: Position, signal: AbortSignal): AsyncGenerator<Stretch> {
  if (run.form.types === undefined) {
    for (let after = from; after < to;) {
      signal.throwIfAborted()
      const end = positionOf(Math.min(Number(to), Number(after) + windowLength))
      yield { events: [], after, through: end }
      after = end
    }
    return
  }
  let after = from
  for await (const { events, through } of run.scan({ after: from, through: to, types: run.form.types, tenantId: run.tenantId, signal })) {
    yield { events: await opened(run, events), after, through }
    after = through
  }
}

const opened = async ({ reveal }: CustomRun, events: readonly RecordedEvent[]): Promise<readonly RecordedEvent[]> =>
  reveal === undefined ? events : reveal(events)
