import { LRUCache } from 'lru-cache'
import type { Pool } from 'pg'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { Position } from '../../domain/kernel/position.ts'
import { binaryArray } from '../../postgres/binary-array.ts'
import { checkpointStatement, type Checkpoint, type Lease } from '../../postgres/lease.ts'
import { inOneFlight, type Statement } from '../../postgres/transaction.ts'
import { discardedPositions } from './discarded.ts'
import { isPoison } from './failures.ts'
import { foldPage, keyPage, messageOf, rowKey, rowsToLoad, tenantOf, type Change, type Parked, type RowKey } from './fold-page.ts'
import type { AnyRow, Projection } from './projection.ts'
import { rowTable } from './rows.ts'
import { keepPlace } from './source-places.ts'

/** What a page comes to: rows to write, events to park. Not yet in the database. */
export type Prepared = {
  readonly changes: ReadonlyMap<RowKey, Change>
  readonly parked: readonly Parked[]
  readonly newlyParked: readonly RowKey[]
}

/**
 * Turns pages into transactions, for one holding of one lease. It keeps hot rows in memory, which is sound because it is the only writer of them while its
 * token holds; they already show what `prepare` made of earlier pages, so after any failure the writer is thrown away with them.
 */
export type PageWriter = {
  /** Reads the rows that are not at hand and folds. May run while the page before is being committed; pages are prepared in log order. */
  readonly prepare: (events: readonly RecordedEvent[]) => Promise<Prepared>
  /**
   * Checkpoint, rows, parked events and the source's place in one transaction and one flight; usually one statement. Nothing to write: the checkpoint is left for `save`.
   */
  readonly commit: (prepared: Prepared, through: Position, place?: string) => Promise<void>
  /** Stores how far it came when that was left out. */
  readonly save: () => Promise<void>
  /** One event at a time where need be: what fails by itself is parked, the rest is applied. For a page that `commit` could not write. */
  readonly applyCarefully: (events: readonly RecordedEvent[], through: Position, place?: string) => Promise<void>
  /** How many rows wait for somebody to look at an event. */
  readonly parkedRows: () => number
}

/** How far it came, and where the source goes on behind that. In the middle of a page of the source that is not known. */
type Reached = { readonly position: Position; readonly place: string | undefined }

export async function createPageWriter({
  projection,
  schema,
  pool,
  lease,
  hotRows,
  onParked,
}: {
  projection: Projection
  schema: string
  pool: Pool
  lease: Lease
  hotRows: number
  /** Tenants of rows that wait for somebody: once for those that waited before, then as they come. */
  onParked?: ((tenantIds: readonly string[]) => void) | undefined
}): Promise<PageWriter> {
  const table = rowTable(projection, schema)
  const hot = new LRUCache<RowKey, { readonly row: AnyRow | undefined }>({ max: hotRows })
  // What the page before made may not be in the database yet: hot or not, it is at hand for the next one.
  let justFolded: ReadonlyMap<RowKey, Change> = new Map()
  // A row per event: nobody comes back to one, so none is kept.
  const writtenOnce = projection.handles.every((type) => projection.creates?.includes(type) === true)
  const keep = (key: RowKey, row: AnyRow | undefined): void => {
    if (row === undefined || projection.settled?.(row) !== true) hot.set(key, { row })
    else hot.delete(key)
  }
  const parkedKeys = await readParkedKeys(pool, lease.name)
  const discarded = await discardedPositions(pool, projection.name)
  const tell = (keys: Iterable<RowKey>): void => {
    const tenantIds = new Set([...keys].map(tenantOf))
    if (tenantIds.size > 0) onParked?.([...tenantIds])
  }
  tell(parkedKeys)
  let parkedInDatabase = parkedKeys.size
  let stored = lease.position
  let reached: Reached = { position: lease.position, place: undefined }

  function forget(): void {
    hot.clear()
    justFolded = new Map()
  }

  async function prepare(events: readonly RecordedEvent[]): Promise<Prepared> {
    const wanted = discarded.size === 0 ? events : events.filter(({ position }) => !discarded.has(position))
    const { keyed, parked } = keyPage(projection, wanted)
    const before = new Map<RowKey, AnyRow | undefined>()
    // Copied out first: putting loaded rows in may push out ones that this very page still needs.
    for (const { key } of writtenOnce ? [] : keyed) {
      const known = hot.get(key) ?? justFolded.get(key)
      if (known !== undefined) before.set(key, known.row)
    }
    const missing = rowsToLoad(projection, keyed, before)
    const loaded = await table.load(
      pool,
      missing.map(({ at, id }) => ({ tenantId: at.stream.tenantId, id })),
    )
    for (const { key } of missing) before.set(key, loaded.get(key))
    const folded = foldPage(
      projection,
      keyed,
      (key) => before.get(key),
      (key) => parkedKeys.has(key),
    )
    if (!writtenOnce) {
      for (const [key, row] of before) if (!folded.changes.has(key)) keep(key, row)
      for (const [key, { row }] of folded.changes) keep(key, row)
      justFolded = folded.changes
    }
    const all = [...parked, ...folded.parked]
    const newlyParked = [...new Set(all.map(({ at, id }) => rowKey(at.stream.tenantId, id)))].filter((key) => !parkedKeys.has(key))
    for (const key of newlyParked) parkedKeys.add(key)
    return { changes: folded.changes, parked: all, newlyParked }
  }

  async function commit({ changes, parked, newlyParked }: Prepared, through: Position, place?: string): Promise<void> {
    reached = { position: through, place }
    if (changes.size === 0 && parked.length === 0) return
    const moving = parked.length > 0 || place !== undefined ? undefined : table.writeMoving(checkpointTo(through), changes.values())
    if (moving === undefined) await write([...table.write(changes.values()), ...parkStatements(lease.name, parked)], reached)
    else await send([moving], reached)
    parkedInDatabase += newlyParked.length
    tell(newlyParked)
  }

  const checkpointTo = (to: Position): Checkpoint => ({ name: lease.name, token: lease.token, from: stored, to })

  async function send(statements: readonly Statement[], to: Reached): Promise<void> {
    await inOneFlight(pool, statements)
    stored = to.position
    reached = to
  }

  async function write(statements: readonly Statement[], to: Reached): Promise<void> {
    const { position, place } = to
    const placed = place === undefined ? [] : [keepPlace(lease.name, position, place)]
    await send([checkpointStatement(checkpointTo(position)), ...placed, ...statements], to)
  }

  async function applyCarefully(events: readonly RecordedEvent[], through: Position, place?: string): Promise<void> {
    // Nothing of the failed try may survive in memory.
    forget()
    let prepared: Prepared | undefined
    try {
      prepared = await prepare(events)
      await commit(prepared, through, place)
      return
    } catch (error) {
      if (!isPoison(error)) throw error
      for (const key of prepared?.newlyParked ?? []) parkedKeys.delete(key)
      forget()
      if (events.length <= 1) return parkAlone(events, { position: through, place }, error)
    }
    const half = events.slice(0, Math.ceil(events.length / 2))
    await applyCarefully(half, half.at(-1)?.position ?? through)
    await applyCarefully(events.slice(half.length), through, place)
  }

  async function parkAlone(events: readonly RecordedEvent[], through: Reached, error: unknown): Promise<void> {
    const parked = keyPage(projection, events).keyed.map(({ at, id }) => ({ at, id, category: 'failed' as const, error: messageOf(error) }))
    const newlyParked = parked.map(({ at, id }) => rowKey(at.stream.tenantId, id))
    for (const key of newlyParked) parkedKeys.add(key)
    await commit({ changes: new Map(), parked, newlyParked }, through.position, through.place)
  }

  return {
    prepare,
    commit,
    applyCarefully,
    async save() {
      if (reached.position > stored) await write([], reached)
    },
    parkedRows: () => parkedInDatabase,
  }
}

/** Rows with an event that waits for somebody to look at it. */
export async function readParkedKeys(pool: Pool, subscription: string): Promise<Set<RowKey>> {
  const { rows } = await pool.query<{ tenant_id: string; stream_key: string }>(
    'select distinct tenant_id, stream_key from es.parked_events where subscription = $1 and resolved_at is null',
    [subscription],
  )
  return new Set(rows.map(({ tenant_id, stream_key }) => rowKey(tenant_id, stream_key)))
}

/** For a transaction that also moves the subscription on. */
export function parkStatements(subscription: string, parked: readonly Parked[]): readonly Statement[] {
  if (parked.length === 0) return []
  const column = (value: (one: Parked) => string): string[] => parked.map(value)
  return [
    {
      name: 'park_events',
      text: `insert into es.parked_events (tenant_id, subscription, position, stream_key, event_type, category, error)
        select p.tenant_id, $1, p.position, p.stream_key, p.event_type, p.category, p.error
        from unnest($2::uuid[], $3::int8[], $4::text[], $5::text[], $6::text[], $7::text[]) as p (tenant_id, position, stream_key, event_type, category, error)`,
      values: [
        subscription,
        binaryArray(
          'uuid',
          column(({ at }) => at.stream.tenantId),
        ),
        binaryArray(
          'int8',
          column(({ at }) => at.position),
        ),
        binaryArray(
          'text',
          column(({ id }) => id),
        ),
        binaryArray(
          'text',
          column(({ at }) => at.type),
        ),
        binaryArray(
          'text',
          column(({ category }) => category),
        ),
        binaryArray(
          'text',
          column(({ error }) => error),
        ),
      ],
    },
  ]
}
