import { EventEmitter } from 'node:events'
import type { Job, JobHelpers, WorkerEvents } from 'graphile-worker'
import type { ClientBase, Pool } from 'pg'
import type { Logger as LogLines } from 'pino'
import { createJobTurns } from './job-turns.ts'
import { inTransaction } from './transaction.ts'

/**
 * Work that is done later, by graphile-worker in its schema `graphile_worker`: durable, retried with growing pauses, written in the transaction of whoever
 * asks for it. Here is the only place that knows graphile-worker; it is loaded when the first job is to be run (see ADR 0020 for what it costs).
 */

/**
 * One piece of work. `key` makes it the same piece however often it is asked for; nothing personal in `payload`. `priority`: what has less of it (0 is
 * usual) goes first. `owner`: whose it is, where many jobs of one must not hold up those of others.
 */
export type JobSpec = {
  readonly task: string
  readonly key: string
  readonly payload: object
  readonly maxAttempts?: number
  readonly priority?: number
  readonly owner?: string
}

/**
 * Brings the schema up to date and lets recado_worker use it; `pool` connects as the owner. Safe at every start, of several processes, too.
 * graphile-worker enables row level security on its tables without any policy: for everybody but the owner they would be empty.
 */
export async function prepareJobs(pool: Pool): Promise<void> {
  const { runMigrations, Logger } = await import('graphile-worker')
  await runMigrations({ pgPool: pool, logger: new Logger(() => () => undefined) })
  // One at a time: two processes that grant on one table at once would fail on "tuple concurrently updated".
  await inTransaction(pool, async (client) => {
    await client.query('select pg_advisory_xact_lock(732238)')
    await client.query(rights)
  })
}

const rights = `
do $$
declare
  its_table text;
begin
  grant usage on schema graphile_worker to recado_worker;
  grant select, insert, update, delete on all tables in schema graphile_worker to recado_worker;
  grant usage on all sequences in schema graphile_worker to recado_worker;
  grant execute on all functions in schema graphile_worker to recado_worker;
  for its_table in select c.relname from pg_class c where c.relnamespace = 'graphile_worker'::regnamespace and c.relkind = 'r' and c.relrowsecurity loop
    if not exists (select from pg_policies p where p.schemaname = 'graphile_worker' and p.tablename = its_table and p.policyname = 'worker_all') then
      execute format('create policy worker_all on graphile_worker.%I to recado_worker using (true) with check (true)', its_table);
    end if;
  end loop;
end
$$`

/** In the caller's transaction. A job that waits under the same key stays as it is, with its time and its attempts. */
export async function addJobs(client: ClientBase, jobs: readonly JobSpec[]): Promise<void> {
  if (jobs.length === 0) return
  const distinct = [...new Map(jobs.map((job) => [job.key, job])).values()]
  const specs = distinct.map(({ task, key, payload, maxAttempts, priority, owner }) => ({
    task,
    key,
    payload,
    max_attempts: maxAttempts ?? 25,
    priority: priority ?? 0,
    owner,
  }))
  // By JSON and not by an array of the composite type: PostgreSQL builds the rows itself, nothing is quoted here.
  await client.query({
    name: 'jobs_add',
    text: `select count(*) from graphile_worker.add_jobs(array(
        select (s.task, s.payload, null, null, s.max_attempts, s.key, s.priority, case when s.owner is not null then array[s.owner] end)::graphile_worker.job_spec
        from json_to_recordset($1::json) as s (task text, payload json, max_attempts int2, key text, priority int2, owner text)
      ), true)`,
    values: [JSON.stringify(specs)],
  })
}

/** Lets jobs run now instead of after their pause: what they waited for may be there. Those that run already are left alone. */
export async function hurryJobs(client: ClientBase | Pool, keyPrefix: string): Promise<number> {
  const { rowCount } = await client.query({
    name: 'jobs_hurry',
    text: `update graphile_worker._private_jobs set run_at = now(), updated_at = now()
      where starts_with(key, $1) and locked_at is null and run_at > now() and attempts < max_attempts`,
    values: [keyPrefix],
  })
  return rowCount ?? 0
}

/** `attempt` counts from 1. */
export type Try = { readonly attempt: number; readonly signal: AbortSignal }

const ownerOf = ({ flags }: Pick<Job, 'flags'>): string => Object.keys(flags ?? {})[0] ?? ''

function eventsFor(turns: ReturnType<typeof createJobTurns>, inTurn: boolean): WorkerEvents {
  const events: WorkerEvents = new EventEmitter()
  events.on('job:start', ({ job }) => turns.begun(ownerOf(job), inTurn))
  events.on('job:complete', ({ job }) => turns.ended(ownerOf(job)))
  return events
}

/** Resolves when that many places have looked for a job for the first time, whatever they found. */
const firstLooks = async (events: WorkerEvents, places: number): Promise<void> =>
  new Promise((resolve) => {
    let looks = 0
    const look = (): void => {
      if (++looks === places) resolve()
    }
    for (const end of ['job:start', 'worker:getJob:empty', 'worker:getJob:error', 'worker:stop'] as const) events.on(end, look)
  })

/** Throwing means: again, after a pause that grows to hours. */
export type Task = (payload: unknown, one: Try) => Promise<void>

export type JobRunner = {
  readonly pool: Pool
  readonly tasks: Readonly<Record<string, Task>>
  /** Jobs at once, at least two: one place goes round among the owners (see job-turns.ts). */
  readonly concurrency: number
  readonly log: Pick<LogLines, 'debug' | 'warn'>
  readonly pollMs?: number
}

/**
 * Runs jobs until `signal`. The caller holds a lease, so nobody else runs jobs of this database: whatever is locked when it begins was locked by a process
 * that is gone. graphile-worker itself would keep such a job from everybody for four hours.
 */
export async function runJobs({ pool, tasks, concurrency, log, pollMs = 2_000 }: JobRunner, signal: AbortSignal): Promise<void> {
  const { run, Logger } = await import('graphile-worker')
  const { rows } = await pool.query<{ worker: string }>(
    'select distinct locked_by as worker from graphile_worker._private_jobs where locked_by is not null',
  )
  if (rows.length > 0) {
    await pool.query('select graphile_worker.force_unlock_workers($1)', [rows.map(({ worker }) => worker)])
    log.warn({ workers: rows.length }, 'jobs of a process that is gone were unlocked')
  }
  if (signal.aborted) return
  const turns = createJobTurns()
  const places = (inTurn: boolean) => ({
    pgPool: pool,
    noHandleSignals: true,
    pollInterval: pollMs,
    events: eventsFor(turns, inTurn),
    // Their messages name the job and its error; payloads are ours and hold nothing personal.
    logger: new Logger(() => (level, message) => log.debug({ level }, message)),
    taskList: Object.fromEntries(
      Object.entries(tasks).map(([name, task]) => [
        name,
        async (payload: unknown, { job }: JobHelpers) => task(payload, { attempt: job.attempts, signal }),
      ]),
    ),
  })
  const many = { ...places(false), concurrency: Math.max(1, concurrency - 1) }
  const looked = firstLooks(many.events, many.concurrency)
  const runners = [await run(many)]
  const stop = (): void => {
    for (const runner of runners) runner.stop().catch(() => undefined)
  }
  // What goes round begins when it can be seen what the others took.
  await looked
  runners.push(await run({ ...places(true), concurrency: 1, forbiddenFlags: turns.leaveAlone }))
  if (signal.aborted) stop()
  else signal.addEventListener('abort', stop, { once: true })
  try {
    await Promise.all(runners.map(({ promise }) => promise))
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
