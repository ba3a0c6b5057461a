import type { Pool } from 'pg'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import type { LogIndex } from '../../domain/kernel/log-index.ts'
import { justBefore, positionOf, start, type Position } from '../../domain/kernel/position.ts'
import { discardedPositions } from './discarded.ts'
import { keyPage, rowKey } from './fold-page.ts'
import { tableOf } from './naming.ts'
import { readParkedKeys } from './page-writer.ts'
import type { AnyRow, Projection } from './projection.ts'
import { foldRow, sameRow, type RowLog } from './refold.ts'
import { rowTable } from './rows.ts'

/** What was built is not what the log says: it is not shown to anybody. */
class NotVerified extends Error {
  override readonly name = 'NotVerified'
}

type Counts = Readonly<Record<string, number>>

/** Rows per tenant in the table against how many came and went in the fold: what COPY, spilling and taking back could have lost or doubled. @throws NotVerified */
export async function verifyCounts(pool: Pool, projection: Projection, schema: string, folded: Counts): Promise<void> {
  const { rows } = await pool.query<{ tenant_id: string; rows: string }>(
    `select tenant_id, count(*) as rows from ${schema}.${tableOf(projection)} group by tenant_id`,
  )
  const stored = new Map(rows.map((row) => [row.tenant_id, Number(row.rows)]))
  for (const tenantId of new Set([...stored.keys(), ...Object.keys(folded)])) {
    const [there, counted] = [stored.get(tenantId) ?? 0, folded[tenantId] ?? 0]
    if (there !== counted) throw new NotVerified(`${projection.name} has ${there} rows of ${tenantId} where ${counted} were folded`)
  }
}

const looked = 50
/** Of the log of a tenant, read to find the events of rows that are in no one stream: some ten seconds of it. */
const mostEventsRead = 2_000_000

export type VerifyLog = RowLog & { readonly store: Pick<EventStore, 'readStream' | 'readAll'>; readonly index: Pick<LogIndex, 'eventsOf'> }
type At = { readonly through: Position; readonly without: ReadonlySet<Position> }
type Place = { readonly tenantId: string; readonly id: string }

/**
 * Some rows, drawn at random over the table's pages, each folded anew from its own events, by a way that has nothing in common with the writers but the fold.
 * Rows with parked events say what they said when those were parked and are left out. Where a row's events are in one stream, that is read; where a row is
 * one event, its place; else the log of its tenant, once for all rows of it that were drawn, and of as many tenants as may be read in some seconds. What is
 * kept in memory is the rows that were drawn.
 * Answers how many rows were looked at.
 * @throws NotVerified
 */
export async function verifySample(
  { pool, log }: { pool: Pool; log: VerifyLog },
  projection: Projection,
  { schema, subscription, position }: { schema: string; subscription: string; position: Position },
): Promise<number> {
  const table = `${schema}.${tableOf(projection)}`
  const { rows: size } = await pool.query<{ pages: number }>('select greatest(relpages, 1) as pages from pg_class where oid = $1::regclass', [table])
  const percent = Math.min(100, (100 * 4 * looked) / (size[0]?.pages ?? 1))
  const { rows } = await pool.query<{ tenant_id: string; id: string }>(
    `select tenant_id, id from (select tenant_id, id from ${table} tablesample system (${percent})) drawn order by random() limit ${looked}`,
  )
  const parked = await readParkedKeys(pool, subscription)
  const wanted = rows.map(({ tenant_id: tenantId, id }) => ({ tenantId, id })).filter(({ tenantId, id }) => !parked.has(rowKey(tenantId, id)))
  const stored = await rowTable(projection, schema).load(pool, wanted)
  const at = { through: position, without: await discardedPositions(pool, projection.name) }
  const expect = (place: Place, folded: AnyRow | undefined): void => {
    if (!sameRow(projection, folded, stored.get(rowKey(place.tenantId, place.id))))
      throw new NotVerified(`the row ${place.id} of ${place.tenantId} in ${projection.name} is not what its events say`)
  }
  if (projection.home === undefined && projection.within === undefined && !isOneEvent(projection))
    return verifyOverTenants(log, projection, wanted, at, expect)
  for (const place of wanted) {
    const row = stored.get(rowKey(place.tenantId, place.id))
    expect(
      place,
      isOneEvent(projection) ? await rowOfEvent(log, projection, place, row, at) : await foldRow(log, projection, { ...place, ...at, row }),
    )
  }
  return wanted.length
}

/** Every event that it handles makes a row of its own, and the row says where that event is. */
const isOneEvent = (projection: Projection): boolean =>
  projection.handles.every((type) => projection.creates?.includes(type) === true) && projection.table.columns['position'] === 'int8'

async function rowOfEvent(
  { store }: VerifyLog,
  projection: Projection,
  { tenantId, id }: Place,
  row: AnyRow | undefined,
  { without }: At,
): Promise<AnyRow | undefined> {
  const position = positionOf(String(row?.['position']))
  const { events } = await store.readAll({ after: justBefore(position), filter: { tenantId, types: projection.handles }, limit: 1 })
  return foldRows(projection, events, { ids: new Set([id]), through: position, without }).get(id)
}

async function verifyOverTenants(
  { scan, index }: VerifyLog,
  projection: Projection,
  wanted: readonly Place[],
  at: At,
  expect: (place: Place, folded: AnyRow | undefined) => void,
): Promise<number> {
  let left = mostEventsRead
  let seen = 0
  for (const [tenantId, places] of Map.groupBy(wanted, (place) => place.tenantId)) {
    const events = await index.eventsOf(tenantId, at.through, left + 1)
    if (events > left) continue
    left -= events
    const ids = new Set(places.map(({ id }) => id))
    const rows = new Map<string, AnyRow>()
    for await (const page of scan({ after: start, through: at.through, types: projection.handles, tenantId }))
      foldRows(projection, page.events, { ids, ...at }, rows)
    for (const place of places) expect(place, rows.get(place.id))
    seen += places.length
  }
  return seen
}

/** These rows of one tenant, out of whatever the events say. What cannot be told which row it belongs to is parked, and none of a row that is looked at. */
function foldRows(
  projection: Projection,
  events: readonly RecordedEvent[],
  { ids, through, without }: At & { ids: ReadonlySet<string> },
  rows = new Map<string, AnyRow>(),
): ReadonlyMap<string, AnyRow> {
  const { keyed } = keyPage(
    projection,
    events.filter(({ position }) => position <= through && !without.has(position)),
  )
  for (const { id, event, at } of keyed) {
    if (!ids.has(id)) continue
    const next = projection.fold(rows.get(id), event, at)
    if (next === 'delete') rows.delete(id)
    else if (next !== undefined) rows.set(id, next)
  }
  return rows
}
