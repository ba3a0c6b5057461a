import type { PoolClient } from 'pg'
import type { Position } from '../../domain/kernel/position.ts'
import { acquireLease, releaseLease, type Lease } from '../../postgres/lease.ts'
import { inTransaction } from '../../postgres/transaction.ts'
import { createBulkFold } from './bulk-fold.ts'
import { discardedPositions } from './discarded.ts'
import { TooManyParked } from './failures.ts'
import { foldInThreads, isWorthThreads, type Folded, type FoldTask } from './fold-threads.ts'
import { adoptPrevious, createShadow, generationsOf, lockGenerations, type Generation } from './generations.ts'
import { tableOf } from './naming.ts'
import { createPageWriter, parkStatements, type PageWriter } from './page-writer.ts'
import { copyParked, differentlyParked, parkedPositions } from './parked-before.ts'
import type { Projection } from './projection.ts'
import { copyLog, createReport, measure, type Claim, type Rebuilding } from './rebuild-steps.ts'
import { foldRow } from './refold.ts'
import { rowTable } from './rows.ts'
import { follow, Superseded, switchOver } from './switch.ts'
import { indexDefinitions, indexesOf, keyDefinition } from './tables.ts'
import { verifyCounts, verifySample } from './verify.ts'

// A whole generation beside the live one, all tenants, several read models in one pass over the log.
//
//   created      nothing stands yet
//   copying      the log up to `target` goes through the folds into a bare table; begins anew after a crash, in a schema of a new name
//   indexing     the table has all rows; key and indexes are made, a transaction each, so that a crash costs the one it met
//   catching_up  the live writer's pages, on the new table, until fewer than 1,000 events are left; goes on from its checkpoint
//   verifying    rows are counted and some are folded anew
//   ready        the rest of the log is applied while the live writer waits, and the schemas change names: a transaction per read model
//   live
//
// Invariant: whatever happens before that last transaction, queries see the live generation and nothing of this.

const nearEnough = 1_000
const mostParkedRows = 100

export async function rebuildGenerations(rebuilding: Rebuilding, claim: Claim, projections: readonly Projection[]): Promise<void> {
  for (;;) {
    const { state } = claim.rebuild()
    switch (state) {
      case 'created':
        if (claim.rebuild().kind === 'rollback') await takeBackPrevious(rebuilding, claim, projections)
        else await claim.advance('copying')
        break
      case 'copying':
        await copy(rebuilding, claim, projections)
        break
      case 'indexing':
        await index(rebuilding, claim, projections)
        break
      case 'catching_up':
        await withShadows(rebuilding, claim, projections, async (shadow) => shadow.catchUp())
        await claim.advance('verifying')
        break
      case 'verifying':
        await withShadows(rebuilding, claim, projections, async (shadow) => verify(rebuilding, claim, shadow))
        await claim.advance('ready')
        break
      case 'ready':
        await withShadows(rebuilding, claim, projections, async (shadow) => replace(rebuilding, claim, shadow))
        await claim.advance('live')
        break
      case 'live':
      case 'aborted':
      case 'failed':
        return
      default:
        state satisfies never
    }
  }
}

async function takeBackPrevious({ copyPool }: Rebuilding, claim: Claim, projections: readonly Projection[]): Promise<void> {
  const { id, token } = claim.rebuild()
  const position = await inTransaction(copyPool, async (client) => {
    await lockGenerations(client)
    await claim.within(client)
    let furthest: Position | undefined
    for (const projection of projections) {
      const building = (await generationsOf(client, projection.name)).find(({ state, rebuildId }) => state === 'building' && rebuildId === id)
      const adopted = building ?? (await adoptPrevious(client, projection, { rebuildId: id, token }))
      if (adopted === undefined) throw new Superseded(`the previous generation of ${projection.name} is gone`)
      furthest = adopted.position
    }
    return furthest
  })
  await claim.advance('catching_up', { target_position: position ?? null, position: position ?? 0 })
}

async function copy(rebuilding: Rebuilding, claim: Claim, projections: readonly Projection[]): Promise<void> {
  const { copyPool } = rebuilding
  const { id, token } = claim.rebuild()
  const shadows = await inTransaction(copyPool, async (client) => {
    await lockGenerations(client)
    await claim.within(client)
    const made: { projection: Projection; generation: Generation; live: Generation | undefined }[] = []
    for (const projection of projections) {
      const generation = await createShadow(client, projection, { rebuildId: id, token })
      made.push({ projection, generation, live: (await generationsOf(client, projection.name)).find(({ state }) => state === 'live') })
    }
    return made
  })
  const { target, total } = await measure(rebuilding, undefined)
  await claim.report({ target_position: target, position: 0, events_done: 0, events_total: total, events_per_second: null })
  const tasks = await Promise.all(
    shadows.map(async ({ projection, generation, live }) => {
      const positions = live === undefined ? new Set<Position>() : await parkedPositions(copyPool, live.subscription)
      const discarded = await discardedPositions(copyPool, projection.name)
      const parkedBefore = { sameVersion: live?.version === projection.version, positions, discarded }
      return { live, generation, parkedBefore, projection, name: projection.name, schema: generation.schema }
    }),
  )
  const folded = await foldAll(rebuilding, claim, tasks, { target, total })
  const ofModel = (name: string): Folded => folded.find((one) => one.name === name) ?? { name, counts: {}, parked: [] }
  await inTransaction(copyPool, async (client) => {
    await claim.within(client)
    for (const { name, live, generation, parkedBefore } of tasks) {
      const { parked } = ofModel(name)
      const again = parkedBefore.sameVersion ? undefined : parked.map(({ at }) => at.position)
      // Behind parked events, where the live writer has not come yet: it will not come there for these rows.
      if (parkedBefore.sameVersion) {
        for (const { values = [], ...park } of parkStatements(generation.subscription, parked)) await client.query({ ...park, values: [...values] })
      }
      if (live !== undefined) await copyParked(client, { from: live.subscription, to: generation.subscription, through: target, only: again })
      await client.query('update es.subscriptions set position = $2 where name = $1', [generation.subscription, target])
    }
  })
  await claim.advance('indexing', {
    row_counts: JSON.stringify(Object.fromEntries(tasks.map(({ name }) => [name, ofModel(name).counts]))),
    position: target,
    events_done: total,
  })
}

/** In threads where there are some and it pays, else here. */
async function foldAll(
  rebuilding: Rebuilding,
  claim: Claim,
  models: readonly (FoldTask & { readonly projection: Projection })[],
  { target, total }: { target: Position; total: number },
): Promise<readonly Folded[]> {
  const { threads, copyPool, index: log, budgetBytes } = rebuilding
  const { signal } = claim
  if (threads === undefined || !isWorthThreads(threads, total)) {
    const guard = (): void => signal.throwIfAborted()
    const folds = models.map((model) => createBulkFold({ ...model, pool: copyPool, guard }))
    await copyLog(rebuilding, claim, folds, target)
    return folds.map(({ projection, counts, parked }) => ({ name: projection.name, counts: counts(), parked: parked() }))
  }
  const report = createReport(claim, target, async (position) => log.eventsOf(undefined, position))
  // A report that fails says nothing about the folding: whether the rebuild is still ours is asked beside it, and at the end.
  let reporting: Promise<void> = Promise.resolve()
  const onProgress = (position: Position): void => {
    reporting = reporting.then(async () => report(position)).catch(() => undefined)
  }
  const folded = await foldInThreads(threads, { models, through: target, budgetBytes, signal, onProgress })
  await reporting
  return folded
}

/** Keys first, because a table gives nobody else an index meanwhile. Two at a time: one alone waits for its disk where another one could sort. */
async function index({ copyPool }: Rebuilding, claim: Claim, projections: readonly Projection[]): Promise<void> {
  const { id, rowCounts } = claim.rebuild()
  const tables = await Promise.all(
    projections.map(async (projection) => {
      const { schema } = await buildingOf(copyPool, projection, id)
      return { projection, schema, standing: await indexesOf(copyPool, projection, schema) }
    }),
  )
  const make = async (text: string): Promise<void> => {
    claim.signal.throwIfAborted()
    await inTransaction(copyPool, async (client) => {
      await client.query(`set local maintenance_work_mem = '128MB'`)
      await client.query(text)
    })
    await claim.report({})
  }
  await inTwoLanes(
    tables
      .filter(({ projection, standing }) => !standing.has(`${tableOf(projection)}_pkey`))
      .map(
        ({ projection, schema }) =>
          async () =>
            make(keyDefinition(projection, schema)),
      ),
  )
  await inTwoLanes(
    tables.flatMap(({ projection, schema, standing }) =>
      indexDefinitions(projection, schema)
        .filter((_, place) => !standing.has(projection.table.indexes[place]?.name ?? ''))
        .map((text) => async () => make(text)),
    ),
  )
  await inTwoLanes(
    tables.map(({ projection, schema }) => async () => {
      await copyPool.query(`analyze ${schema}.${tableOf(projection)}`)
      await verifyCounts(copyPool, projection, schema, rowCounts[projection.name] ?? {})
    }),
  )
  await claim.advance('catching_up')
}

/** Does not return before both have ended, also when one fails: nothing is under way behind the back of whoever cleans up. */
async function inTwoLanes(work: readonly (() => Promise<void>)[]): Promise<void> {
  const waiting = [...work]
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await next()
  }
  for (const ended of await Promise.allSettled([lane(), lane()])) if (ended.status === 'rejected') throw ended.reason
}

type Shadow = {
  readonly projection: Projection
  readonly generation: Generation
  readonly lease: Lease
  readonly writer: PageWriter
  /** To the head as it is, again until little is left; or exactly to a position. */
  readonly catchUp: (until?: Position) => Promise<Position>
}

async function buildingOf(pool: Rebuilding['copyPool'], projection: Projection, rebuildId: string): Promise<Generation> {
  const mine = (await generationsOf(pool, projection.name)).find((one) => one.state === 'building' && one.rebuildId === rebuildId)
  if (mine === undefined) throw new Superseded(`the next generation of ${projection.name} is gone`)
  return mine
}

/** Each shadow under the lease of its subscription, which fences whoever wrote it before. One that was switched before a crash is passed over. */
async function withShadows(
  rebuilding: Rebuilding,
  claim: Claim,
  projections: readonly Projection[],
  work: (shadow: Shadow) => Promise<unknown>,
): Promise<void> {
  const { pool, store, copyPool, owner } = rebuilding
  const { id } = claim.rebuild()
  for (const projection of projections) {
    const all = await generationsOf(copyPool, projection.name)
    if (all.some(({ state, rebuildId }) => state === 'live' && rebuildId === id)) continue
    const generation = await buildingOf(copyPool, projection, id)
    const lease = await shadowLease(rebuilding, generation.subscription, `${owner} ${claim.rebuild().token}`)
    try {
      const writer = await createPageWriter({ projection, schema: generation.schema, pool, lease, hotRows: 8_000 })
      let position = lease.position
      const catchUp = async (until?: Position): Promise<Position> => {
        const apply = async (to: Position): Promise<Position> => {
          position = await follow({ projection, store, writer, signal: claim.signal }, position, to)
          if (writer.parkedRows() > mostParkedRows) throw new TooManyParked(`${writer.parkedRows()} rows of ${lease.name} wait behind events`)
          return position
        }
        if (until !== undefined) return apply(until)
        for (;;) {
          const { position: head } = await store.head()
          const from = position
          await apply(head)
          await claim.report({ position })
          // Counted afterwards: what counts for an engine may itself be a moment behind the head.
          const { events } = await store.distance(from, head)
          if (events !== undefined && events < nearEnough) return position
        }
      }
      await work({ projection, generation, lease, writer, catchUp })
    } finally {
      await releaseLease(pool, lease).catch(() => undefined)
    }
  }
}

/** Long enough for what may stand still for a while; nobody asks for it but who has taken over the rebuild, and then the owner before is not waited for. */
async function shadowLease({ pool }: Rebuilding, name: string, owner: string): Promise<Lease> {
  await pool.query('update es.subscriptions set owner = null, lease_until = null, status = $2 where name = $1', [name, 'building'])
  const lease = await acquireLease(pool, { name, owner, ttlMs: 600_000, regardless: true })
  if (lease === undefined) throw new Superseded(`${name} has another writer`)
  return lease
}

async function verify(rebuilding: Rebuilding, claim: Claim, { projection, generation, catchUp }: Shadow): Promise<void> {
  // What was live before is what it was: folding it anew would only say that the fold is another one now.
  if (claim.rebuild().kind === 'rollback') return
  const position = await catchUp()
  await verifySample({ pool: rebuilding.copyPool, log: rebuilding }, projection, { ...generation, position })
}

const tries = 30

async function replace(rebuilding: Rebuilding, claim: Claim, { projection, generation, lease, catchUp }: Shadow): Promise<void> {
  const { copyPool } = rebuilding
  for (let attempt = 1; ; attempt++) {
    await catchUp()
    try {
      return await switchOver({
        pool: copyPool,
        projection,
        shadow: generation,
        lease,
        catchUp,
        claim: claim.within,
        reconcile: async (client, live, at) => reconcile(rebuilding, client, { projection, generation, live, at }),
      })
    } catch (error) {
      // Somebody holds a lock that the names need (a dump, a reader of the generation before the last): not now, then.
      const locked = error instanceof Error && 'code' in error && error.code === '55P03'
      if (!locked || attempt === tries) throw error
    }
  }
}

/** People may have retried or discarded parked events of the live rows while this was built: those rows are folded anew as the live ones stand. */
async function reconcile(
  rebuilding: Rebuilding,
  client: PoolClient,
  {
    projection,
    generation,
    live,
    at,
  }: { projection: Projection; generation: Generation; live: Generation; at: { live: Position; shadow: Position } },
): Promise<void> {
  if (live.version !== projection.version) return
  const table = rowTable(projection, generation.schema)
  const discarded = await discardedPositions(client, projection.name)
  const without = new Set([...discarded, ...(await parkedPositions(client, live.subscription))])
  for (const { tenantId, id, key } of await differentlyParked(client, live.subscription, generation.subscription, at.live)) {
    const known = await rowTable(projection, live.schema).load(rebuilding.pool, [{ tenantId, id }])
    const row = await foldRow(rebuilding, projection, { tenantId, id, through: at.shadow, row: known.get(key), without })
    for (const statement of table.write([{ tenantId, id, row }])) await client.query({ ...statement, values: [...(statement.values ?? [])] })
    await client.query('delete from es.parked_events where subscription = $1 and tenant_id = $2 and stream_key = $3', [
      generation.subscription,
      tenantId,
      id,
    ])
  }
  // What the shadow parked beyond where the live one stands is its own.
  await client.query('delete from es.parked_events where subscription = $1 and position <= $2', [generation.subscription, at.live])
  await copyParked(client, { from: live.subscription, to: generation.subscription, through: at.live })
}
