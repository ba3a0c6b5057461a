import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { LogIndex } from '../../domain/kernel/log-index.ts'
import type { LogScan } from '../../domain/kernel/log-scan.ts'
import { start, type Position } from '../../domain/kernel/position.ts'
import { pause } from '../../postgres/pause.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { inTransaction } from '../../postgres/transaction.ts'
import { createBulkFold, type BulkFold } from './bulk-fold.ts'
import { discardedPositions } from './discarded.ts'
import { schemaOf, subscriptionOf, tableOf } from './naming.ts'
import type { Projection } from './projection.ts'
import { indexDefinitions, indexesOf, keyDefinition, tableDefinition } from './tables.ts'

// Lists as of a moment. A list shows every row of a tenant, so it cannot be folded for one answer: the read models behind it are built for that tenant
// and that position by the bulk fold, in schemas of their own (`rm_x_asof_<id>`), and asked by the same queries as the present ones.
//
// (none) → building → ready → (none), when nobody asked for it for `ttlMs`, or the tenant asked for too many others since.
// Invariant: the row in es.moments is written before its schemas and deleted before them, so a schema without a row is nobody's and may go. A builder says
// every second that it is alive; one that fell silent is replaced under another id, and what it still writes is nobody's.
// Tables and registry are unlogged: not written twice, and a crash of the database empties both, never one of them.

export type MomentRequest = { readonly tenantId: string; readonly projections: readonly Projection[]; readonly position: Position }

/** `preparing`: come back in a second. `tooLong`: the tenant has more events up to there than are read for one answer. */
export type MomentAnswer = { readonly queries: TenantQueries } | { readonly preparing: true } | { readonly tooLong: true }

export type Moments = {
  /** Queries over these read models as they were at a position, of this tenant only. Waits a little when they have to be built first. */
  readonly at: (request: MomentRequest) => Promise<MomentAnswer>
  /** Drops what has expired, and what crashes left behind. Also done at the start and by a timer. */
  readonly purge: () => Promise<void>
  /** Resolves when nothing is being built or dropped any more; after the signal. */
  readonly ended: () => Promise<void>
}

export type MomentOptions = {
  /** Connections of the role recado_worker: the registry. */
  readonly pool: Pool
  /** Connections of the tables' owner that do not pipeline. */
  readonly copyPool: Pool
  /** Reads behind the tenant's wall. */
  readonly reader: TenantQueries
  readonly scan: LogScan
  readonly index: Pick<LogIndex, 'eventsOf'>
  readonly signal: AbortSignal
  readonly log: Logger
  /** How long a moment is kept after it was last asked for (10 minutes). */
  readonly ttlMs?: number
  /** How long a request waits for it to be built (2 s). */
  readonly waitMs?: number
  /** Most events that are read for one (1,000,000). */
  readonly mostEvents?: number
  /** Most moments of one tenant at once (5): the one that was not asked for the longest goes. */
  readonly mostPerTenant?: number
}

const beatMs = 1_000
const silentSeconds = 30
const purgeMs = 60_000
/** Bytes of rows in memory before the coldest are written out. */
const budget = 96 * 1024 * 1024

export function createMoments(options: MomentOptions): Moments {
  const { pool, copyPool, reader, index, signal, log, ttlMs = 600_000, waitMs = 2_000, mostEvents = 1_000_000 } = options
  /** One at a time in a process: a build takes a core. */
  let line: Promise<void> = Promise.resolve()
  let purging: Promise<void> = Promise.resolve()

  async function at(request: MomentRequest): Promise<MomentAnswer> {
    const until = performance.now() + waitMs
    if ((await index.eventsOf(request.tenantId, request.position, mostEvents + 1)) > mostEvents) return { tooLong: true }
    for (;;) {
      const { id, state, mine } = await claim(pool, request, ttlMs)
      if (state === 'ready') return { queries: queriesOf(reader, id) }
      if (mine) {
        line = line.then(() => make(id, request))
        await makeRoom(pool, request, options.mostPerTenant ?? 5)
      }
      const left = until - performance.now()
      if (left <= 0 || signal.aborted) return { preparing: true }
      await Promise.race([mine ? line : pause(100, signal), pause(left, signal)])
    }
  }

  async function make(id: string, request: MomentRequest): Promise<void> {
    try {
      if (signal.aborted) throw new Error('stopping')
      const built = await build(id, request, options)
      if (built) await pool.query(`update es.moments set state = 'ready' where id = $1`, [id])
    } catch (error) {
      if (!signal.aborted) log.error({ err: error, moment: id }, 'a list as of a moment could not be built')
      await pool.query('delete from es.moments where id = $1', [id]).catch(() => undefined)
      await dropSchemas(
        copyPool,
        request.projections.map((projection) => schemaAt(projection, id)),
      ).catch(() => undefined)
    }
  }

  const purge = (): Promise<void> =>
    (purging = purging
      .then(() => purgeOnce(pool, copyPool))
      .catch((error: unknown) => log.warn({ err: error }, 'expired lists of the past stay for now')))

  const timer = setInterval(() => void purge(), purgeMs).unref()
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
  void purge()

  return {
    at,
    purge,
    async ended() {
      await Promise.all([line, purging])
    },
  }
}

const modelsOf = (projections: readonly Projection[]): string => projections.map(subscriptionOf).join(' ')
const suffix = (id: string): string => `_asof_${id.replaceAll('-', '')}`
const schemaAt = (projection: Projection, id: string): string => `${schemaOf(projection)}${suffix(id)}`

/** The moment's id and state, kept for another while; ours to build when there was none, or its builder fell silent. */
async function claim(
  pool: Pool,
  { tenantId, projections, position }: MomentRequest,
  ttlMs: number,
): Promise<{ id: string; state: 'building' | 'ready'; mine: boolean }> {
  const id = randomUUID()
  const { rows } = await pool.query<{ id: string; state: 'building' | 'ready' }>({
    name: 'moment_claim',
    text: `insert into es.moments as m (id, tenant_id, models, position, state, expires_at)
      values ($1, $2, $3, $4, 'building', clock_timestamp() + make_interval(secs => $5))
      on conflict (tenant_id, models, position) do update set
        expires_at = excluded.expires_at,
        id = case when m.state = 'building' and m.beat_at < clock_timestamp() - make_interval(secs => $6) then excluded.id else m.id end,
        beat_at = case when m.state = 'building' and m.beat_at < clock_timestamp() - make_interval(secs => $6) then clock_timestamp() else m.beat_at end
      returning id, state`,
    values: [id, tenantId, modelsOf(projections), position, ttlMs / 1_000, silentSeconds],
  })
  const [row] = rows
  if (row === undefined) throw new Error('an upsert returns its row')
  return { ...row, mine: row.id === id }
}

/** The schemas go with the next purge. */
async function makeRoom(pool: Pool, { tenantId }: MomentRequest, most: number): Promise<void> {
  await pool.query(`delete from es.moments where id in (select id from es.moments where tenant_id = $1 order by expires_at desc offset $2)`, [
    tenantId,
    most,
  ])
}

/** The same statements, asked of the tables of a moment. Table names come from us and are quoted by the query builder; values never stand in the text. */
function queriesOf(reader: TenantQueries, id: string): TenantQueries {
  return {
    run: (tenantId, query) => reader.run(tenantId, { ...query, sql: query.sql.replaceAll(/"(rm_[a-z_]+)"\./g, `"$1${suffix(id)}".`) }),
  }
}

/** False when the moment was taken from us meanwhile. */
async function build(
  id: string,
  { tenantId, projections, position }: MomentRequest,
  { pool, copyPool, scan, signal }: MomentOptions,
): Promise<boolean> {
  for (const projection of projections) {
    const schema = schemaAt(projection, id)
    await copyPool.query(tableDefinition(projection, schema))
    await copyPool.query(`alter table ${schema}.${tableOf(projection)} set unlogged`)
  }
  const folds = await Promise.all(
    projections.map(async (projection) => {
      const discarded = await discardedPositions(pool, projection.name, tenantId)
      // An event that cannot be applied leaves its row as it was, as in the present read model; one that was discarded is no part of it either.
      const parkedBefore = { sameVersion: false, positions: everything, discarded }
      return createBulkFold({ projection, schema: schemaAt(projection, id), pool: copyPool, parkedBefore })
    }),
  )
  const types = [...new Set(projections.flatMap(({ handles }) => handles))]
  let events = 0
  let beaten = 0
  const beat = async (): Promise<boolean> => {
    if (performance.now() - beaten < beatMs) return true
    beaten = performance.now()
    const { rowCount } = await pool.query('update es.moments set beat_at = clock_timestamp(), events = $2 where id = $1', [id, events])
    return rowCount === 1
  }
  for await (const page of scan({ after: start, through: position, types, tenantId, signal })) {
    for (const fold of folds) await fold.fold(page.events)
    events += page.events.length
    await spillOver(folds)
    if (!(await beat())) return false
  }
  beaten = 0
  for (const fold of folds) {
    await fold.finish()
    await finishTable(copyPool, fold.projection, schemaAt(fold.projection, id))
    if (!(await beat())) return false
  }
  return true
}

const everything: ReadonlySet<Position> = Object.assign(new Set<Position>(), { has: () => true })

async function spillOver(folds: readonly BulkFold[]): Promise<void> {
  const total = folds.reduce((sum, fold) => sum + fold.weight(), 0)
  if (total <= budget) return
  const heaviest = folds.toSorted((a, b) => b.weight() - a.weight())[0]
  await heaviest?.spill()
}

async function finishTable(copyPool: Pool, projection: Projection, schema: string): Promise<void> {
  const standing = await indexesOf(copyPool, projection, schema)
  if (!standing.has(`${tableOf(projection)}_pkey`)) await copyPool.query(keyDefinition(projection, schema))
  for (const definition of indexDefinitions(projection, schema)) await copyPool.query(definition)
  await copyPool.query(`analyze ${schema}.${tableOf(projection)}`)
}

async function purgeOnce(pool: Pool, copyPool: Pool): Promise<void> {
  await pool.query('delete from es.moments where expires_at < clock_timestamp()')
  // In this order: a schema that is made after the first look has its row before the second.
  const { rows: schemas } = await copyPool.query<{ name: string }>(`select nspname as name from pg_namespace where nspname like 'rm\\_%\\_asof\\_%'`)
  const { rows: known } = await pool.query<{ id: string }>('select id from es.moments')
  const living = known.map(({ id }) => suffix(id))
  await dropSchemas(
    copyPool,
    schemas.map(({ name }) => name).filter((name) => !living.some((end) => name.endsWith(end))),
  )
}

async function dropSchemas(copyPool: Pool, schemas: readonly string[]): Promise<void> {
  for (const schema of schemas) {
    // Whoever is still reading is waited for; not for long, the next purge tries again.
    await inTransaction(copyPool, async (client) => {
      await client.query(`set local lock_timeout = '2s'`)
      await client.query(`drop schema if exists ${schema} cascade`)
    })
  }
}
