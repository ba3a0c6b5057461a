import type { DomainEvent } from '../../domain/catalogue.ts'
import { fromStored } from '../../domain/kernel/codec.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { streamName } from '../../domain/kernel/stream.ts'
import type { AnyRow, ColumnType, Projection, Table } from './projection.ts'

/** A row's place in the read model, over all tenants. */
export type RowKey = string
export const rowKey = (tenantId: string, id: string): RowKey => `${tenantId}/${id}`
export const tenantOf = (key: RowKey): string => key.slice(0, key.indexOf('/'))

/** An event with the row it belongs to, or with the reason why that cannot be told. */
export type Keyed = { readonly at: RecordedEvent; readonly event: DomainEvent; readonly id: string; readonly key: RowKey }

/** An event that could not be applied, or had to wait behind one that could not. */
export type Parked = { readonly at: RecordedEvent; readonly id: string; readonly category: 'failed' | 'behind'; readonly error: string }

/** What a page makes of one row: its new content, or that it is gone. */
export type Change = { readonly tenantId: string; readonly id: string; readonly row: AnyRow | undefined }

/** The events of a page that concern the read model, each with its row. */
export function keyPage(projection: Projection, events: readonly RecordedEvent[]): { keyed: readonly Keyed[]; parked: readonly Parked[] } {
  const keyed: Keyed[] = []
  const parked: Parked[] = []
  for (const at of events) {
    try {
      const event = fromStored<DomainEvent>(at)
      const id = projection.key(event, at)
      if (id !== undefined) keyed.push({ at, event, id, key: rowKey(at.stream.tenantId, id) })
    } catch (error) {
      parked.push({ at, id: streamName(at.stream), category: 'failed', error: messageOf(error) })
    }
  }
  return { keyed, parked }
}

/** Rows that have to be looked up: those whose first event here may find one, and which are not at hand. */
export function rowsToLoad(projection: Projection, keyed: readonly Keyed[], atHand: { has: (key: RowKey) => boolean }): readonly Keyed[] {
  const seen = new Set<RowKey>()
  return keyed.filter(({ key, event }) => {
    if (seen.has(key)) return false
    seen.add(key)
    return !atHand.has(key) && projection.creates?.includes(event.type) !== true
  })
}

/**
 * The fold of one page, pure: `before` gives a row as it stood (undefined: there is none). An event that fails leaves its row as it was and takes
 * every later event of that row with it, so that a row never skips an event and goes on.
 */
export function foldPage(
  projection: Projection,
  keyed: readonly Keyed[],
  before: (key: RowKey) => AnyRow | undefined,
  isParked: (key: RowKey) => boolean,
): { changes: ReadonlyMap<RowKey, Change>; parked: readonly Parked[] } {
  const changes = new Map<RowKey, Change>()
  const parked: Parked[] = []
  const newlyParked = new Set<RowKey>()
  for (const { at, event, id, key } of keyed) {
    if (newlyParked.has(key) || isParked(key)) {
      parked.push({ at, id, category: 'behind', error: 'waits behind an earlier event of the same row' })
      continue
    }
    const known = changes.get(key)
    const present = known === undefined ? before(key) : known.row
    try {
      const next = projection.fold(present, event, at)
      if (next === undefined || next === present) continue
      if (next !== 'delete') check(next, id, projection.table, present)
      changes.set(key, { tenantId: at.stream.tenantId, id, row: next === 'delete' ? undefined : next })
    } catch (error) {
      newlyParked.add(key)
      parked.push({ at, id, category: 'failed', error: messageOf(error) })
    }
  }
  return { changes, parked }
}

/**
 * Refuses a row that PostgreSQL would refuse, at the event that made it. Left to the database it would only be found when no later event of the same page
 * repaired it, and what is parked would depend on how the log was cut into pages. (json is not parsed here: a fold writes it with JSON.stringify.)
 */
export function check(row: AnyRow, id: string, table: Table<AnyRow>, before?: AnyRow): void {
  if (row.id !== id) throw new Error(`the fold returned the row ${row.id} for ${id}`)
  for (const { name, type } of refusable(table)) {
    const value = row[name]
    // What the row had before was looked at then: most updates touch two or three columns.
    if (value === null || value === before?.[name]) continue
    switch (type) {
      case 'timestamptz':
        if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw new Error(`${name} is no moment`)
        break
      case 'int4':
        if (typeof value !== 'number' || (value | 0) !== value) throw new Error(`${name} is no int4`)
        break
      case 'uuid':
        if (typeof value !== 'string' || !uuid.test(value)) throw new Error(`${name} is no uuid`)
        break
      default:
    }
  }
}

const refusables = new WeakMap<Table<AnyRow>, readonly { readonly name: string; readonly type: ColumnType }[]>()

/** The columns that may hold what PostgreSQL refuses. */
function refusable(table: Table<AnyRow>): readonly { readonly name: string; readonly type: ColumnType }[] {
  const known = refusables.get(table)
  if (known !== undefined) return known
  const made = Object.entries(table.columns).flatMap(([name, type]) =>
    type === 'timestamptz' || type === 'int4' || type === 'uuid' ? [{ name, type }] : [],
  )
  refusables.set(table, made)
  return made
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Kept short: it is stored and shown, and a message may quote what it choked on. */
export const messageOf = (error: unknown): string => (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(0, 500)
