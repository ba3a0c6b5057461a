import type { PoolClient } from 'pg'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { positionOf, start, type Position } from '../../domain/kernel/position.ts'
import { checkpointOf } from '../../postgres/lease.ts'
import { inTransaction } from '../../postgres/transaction.ts'
import { createBulkFold } from './bulk-fold.ts'
import { discardedPositions } from './discarded.ts'
import { foldPage, keyPage, rowKey } from './fold-page.ts'
import { generationsOf, lockGenerations, type Generation } from './generations.ts'
import { schemaOf, snake, tableOf } from './naming.ts'
import { parkedPositions } from './parked-before.ts'
import type { Projection } from './projection.ts'
import { copyLog, measure, type Claim, type Rebuilding } from './rebuild-steps.ts'
import { foldRow } from './refold.ts'
import { rowTable } from './rows.ts'
import { lockSubscription, Superseded } from './switch.ts'
import { keyDefinition, tableDefinition } from './tables.ts'
import { verifyCounts, verifySample } from './verify.ts'

// One organisation's rows anew, in the live tables: its events are folded into a table beside them, and in one transaction that stops the live writer for a
// moment they take the place of the old ones. The states are those of a whole generation; `catching_up` and `ready` happen in that transaction.
// After a crash it begins anew: until that transaction nothing of it can be seen, and one organisation is soon read.

const stagingOf = (projection: Projection, token: string): string => `${schemaOf(projection)}_tenant_${token}`

export async function rebuildTenant(rebuilding: Rebuilding, claim: Claim, projections: readonly Projection[], tenantId: string): Promise<void> {
  const { copyPool } = rebuilding
  const { token } = claim.rebuild()
  await claim.advance('copying', { position: 0, events_done: 0 })
  await dropStaging(rebuilding, projections)
  try {
    const { target, total } = await measure(rebuilding, tenantId)
    await claim.report({ target_position: target, events_total: total })
    const folds = await Promise.all(
      projections.map(async (projection) => {
        const schema = stagingOf(projection, token)
        await copyPool.query(tableDefinition(projection, schema))
        const live = await liveOf(copyPool, projection)
        // Not beyond where the live rows are: the live writer would apply to these once more what is between.
        const stands = (await checkpointOf(copyPool, live.subscription)) ?? start
        const through = stands < target ? stands : target
        const positions = await parkedPositions(copyPool, live.subscription, tenantId)
        const discarded = await discardedPositions(copyPool, projection.name, tenantId)
        const parkedBefore = { sameVersion: true, positions, discarded }
        const fold = createBulkFold({ projection, schema, pool: copyPool, parkedBefore, guard: () => claim.signal.throwIfAborted() })
        return { ...fold, through, fold: async (events: readonly RecordedEvent[]) => fold.fold(upTo(through, events)) }
      }),
    )
    await copyLog(rebuilding, claim, folds, target)
    await claim.advance('indexing', { position: target, events_done: total })
    for (const fold of folds) {
      const schema = stagingOf(fold.projection, token)
      await copyPool.query(keyDefinition(fold.projection, schema)).catch((error: unknown) => {
        // It has its key already when rows were spilled.
        if (!(error instanceof Error && 'code' in error && error.code === '42P16')) throw error
      })
      await copyPool.query(`analyze ${schema}.${tableOf(fold.projection)}`)
      await verifyCounts(copyPool, fold.projection, schema, fold.counts())
    }
    await claim.advance('catching_up')
    await claim.advance('verifying')
    for (const { projection, through } of folds) {
      const { subscription } = await liveOf(copyPool, projection)
      const at = { schema: stagingOf(projection, token), subscription, position: through }
      await verifySample({ pool: copyPool, log: rebuilding }, projection, at)
    }
    await claim.advance('ready')
    for (const { projection, through } of folds) await exchange(rebuilding, claim, { projection, tenantId, from: through })
    await claim.advance('live')
  } finally {
    await dropStaging(rebuilding, projections).catch(() => undefined) // the next one does it
  }
}

const upTo = (through: Position, events: readonly RecordedEvent[]): readonly RecordedEvent[] =>
  (events.at(-1)?.position ?? start) <= through ? events : events.filter(({ position }) => position <= through)

async function dropStaging({ copyPool }: Rebuilding, projections: readonly Projection[]): Promise<void> {
  const { rows } = await copyPool.query<{ nspname: string }>(`select nspname from pg_namespace where nspname = any ($1) or nspname like any ($2)`, [
    [],
    projections.map((projection) => `${schemaOf(projection).replaceAll('_', '\\_')}\\_tenant\\_%`),
  ])
  for (const { nspname } of rows) await copyPool.query(`drop schema if exists ${nspname} cascade`)
}

async function liveOf(db: Rebuilding['copyPool'] | PoolClient, projection: Projection): Promise<Generation> {
  const live = (await generationsOf(db, projection.name)).find(({ state, version }) => state === 'live' && version === projection.version)
  if (live === undefined) throw new Superseded(`${projection.name} has another version now`)
  return live
}

async function exchange(
  rebuilding: Rebuilding,
  claim: Claim,
  { projection, tenantId, from }: { projection: Projection; tenantId: string; from: Position },
): Promise<void> {
  const columns = ['tenant_id', ...Object.keys(projection.table.columns).map(snake)].join(', ')
  const staging = stagingOf(projection, claim.rebuild().token)
  await inTransaction(rebuilding.copyPool, async (client) => {
    await client.query(`set local lock_timeout = '10s'`)
    await lockGenerations(client)
    const live = await liveOf(client, projection)
    const stoodAt = await lockSubscription(client, live.subscription)
    await claim.within(client)
    await applyTail(rebuilding, { projection, live, staging, tenantId, from, to: stoodAt?.position ?? start })
    const table = `${live.schema}.${tableOf(projection)}`
    await client.query(`delete from ${table} where tenant_id = $1`, [tenantId])
    await client.query(`insert into ${table} (${columns}) select ${columns} from ${staging}.${tableOf(projection)}`)
    // The live writer has rows of this organisation in memory: with a token that is no longer good it begins anew and reads them again.
    await client.query('update es.subscriptions set fencing_token = fencing_token + 1, owner = null, lease_until = null where name = $1', [
      live.subscription,
    ])
  })
}

/** What came since the copy was begun, up to where the live rows stand: a few pages at most, into the table beside them. */
async function applyTail(
  { store, pool }: Rebuilding,
  wanted: { projection: Projection; live: Generation; staging: string; tenantId: string; from: Position; to: Position },
): Promise<void> {
  const { projection, live, staging, tenantId, to } = wanted
  const table = rowTable(projection, staging)
  const discarded = await discardedPositions(pool, projection.name, tenantId)
  const positions = new Set([...discarded, ...(await parkedPositions(pool, live.subscription, tenantId))])
  for (let after = wanted.from; after < to;) {
    const page = await store.readAll({ after, filter: { types: projection.handles, tenantId }, limit: 1_000 })
    const events = page.events.filter(({ position }) => position <= to && !positions.has(position))
    const { keyed } = keyPage(projection, events)
    const before = await table.load(
      pool,
      keyed.map(({ id }) => ({ tenantId, id })),
    )
    const { changes } = foldPage(
      projection,
      keyed,
      (key) => before.get(key),
      // What waits, waits by its position: what a row got before its first parked event it has.
      () => false,
    )
    for (const { text, values = [] } of table.write(changes.values())) await pool.query({ text, values: [...values] })
    after = page.through > after ? page.through : positionOf(to)
  }
}

/** One row folded anew from its events and written over what is there: the repair of a row, under the lock that the live writer's pages begin with. */
export async function refoldRow(
  { copyPool, ...log }: Pick<Rebuilding, 'copyPool' | 'store' | 'scan'>,
  projection: Projection,
  { tenantId, id, leaveOut }: { tenantId: string; id: string; leaveOut?: ReadonlySet<Position> | undefined },
): Promise<'written' | 'removed'> {
  return inTransaction(copyPool, async (client) => {
    const live = await liveOf(client, projection)
    const stoodAt = await lockSubscription(client, live.subscription)
    const table = rowTable(projection, live.schema)
    const known = await table.load(copyPool, [{ tenantId, id }])
    const through = stoodAt?.position ?? start
    const without = new Set([...(await discardedPositions(client, projection.name, tenantId)), ...(leaveOut ?? [])])
    const row = await foldRow(log, projection, { tenantId, id, through, row: known.get(rowKey(tenantId, id)), without })
    for (const { text, values = [] } of table.write([{ tenantId, id, row }])) await client.query({ text, values: [...values] })
    await client.query('update es.subscriptions set fencing_token = fencing_token + 1, owner = null, lease_until = null where name = $1', [
      live.subscription,
    ])
    return row === undefined ? 'removed' : 'written'
  })
}
