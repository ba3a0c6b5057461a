import type { Pool } from 'pg'
import type { DomainEvent } from '../../domain/catalogue.ts'
import { fromStored } from '../../domain/kernel/codec.ts'
import { ownCopy, type RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { Position } from '../../domain/kernel/position.ts'
import { streamName } from '../../domain/kernel/stream.ts'
import { copyIn } from '../../postgres/copy.ts'
import { check, messageOf, rowKey, type Parked } from './fold-page.ts'
import { snake, tableOf } from './naming.ts'
import type { AnyRow, Projection, Value } from './projection.ts'
import { rowTable } from './rows.ts'
import { ensureKey } from './tables.ts'

/** An event that the fold refuses, in a rebuild: it stops there and shows it. */
export class PoisonedRebuild extends Error {
  override readonly name = 'PoisonedRebuild'
  readonly at: RecordedEvent
  readonly projection: string
  constructor(projection: string, at: RecordedEvent, cause: unknown) {
    super(`${projection} cannot apply ${at.type} of ${streamName(at.stream)} at ${at.position}: ${messageOf(cause)}`, { cause })
    this.at = at
    this.projection = projection
  }
}

/**
 * What to do with events that are parked in the live generation. Of the same version: what is parked there is left out here, so that both have the same rows.
 * Of another version: it may have come to repair that, so each is tried, and only what fails again is parked again.
 */
export type ParkedBefore = {
  readonly sameVersion: boolean
  readonly positions: ReadonlySet<Position>
  /** Left out of every version for good: a person said so. */
  readonly discarded?: ReadonlySet<Position>
}

type Entry = { readonly tenantId: string; readonly id: string; row: AnyRow; weight: number; used: number; changes: number }

export type BulkFold = {
  readonly projection: Projection
  /** About how many bytes the rows in memory take. */
  readonly weight: () => number
  /** What part of the rows that were spilled came back (0 to 1): how much of the work of spilling was in vain. */
  readonly returning: () => number
  /** @throws PoisonedRebuild */
  readonly fold: (events: readonly RecordedEvent[]) => Promise<void>
  /** Begins to write the rows that were not touched for longest into the table, about this share of all (half); waits for the spill before. */
  readonly spill: (share?: number) => Promise<void>
  /** Writes what is left. The table then holds every row. */
  readonly finish: () => Promise<void>
  /** Rows per tenant, by their coming and going in the fold: what the table is counted against. */
  readonly counts: () => Readonly<Record<string, number>>
  readonly parked: () => readonly Parked[]
}

/**
 * Folds a stretch of the log into an empty table without a statement per page: rows stay in memory, and go into the table by COPY when there are too many
 * of them or no event is left.
 * Invariant: a row is in memory or in the table, never in both. One that was spilled and is met again is taken out of the table (`delete … returning`)
 * together with all others that the page needs, and goes on in memory; so at the end nothing has to be merged, and no row is counted twice. For that the
 * table gets its key, when it is needed for the first time: most read models never look back that far, and COPY need not keep an index up meanwhile.
 * The fold goes on while the rows that were spilled are on their way; whoever needs the table waits for them. (A table of versions, merged at the end, would sort everything once more and needs the same look-ups.)
 * @param pool made with `pipeline: false`, of the tables' owner
 */
export function createBulkFold({
  projection,
  schema,
  pool,
  parkedBefore,
  guard,
}: {
  projection: Projection
  schema: string
  pool: Pool
  parkedBefore?: ParkedBefore | undefined
  /** Asked before every write: throws when somebody else has taken over. */
  guard?: (() => void) | undefined
}): BulkFold {
  const handled = new Set<string>(projection.handles)
  const creating = new Set<string>(projection.creates ?? [])
  const discarded: ReadonlySet<Position> = parkedBefore?.discarded ?? new Set()
  const leftOut: ReadonlySet<Position> = parkedBefore?.sameVersion === true ? parkedBefore.positions : new Set()
  const columns = [
    { name: 'tenant_id', type: 'uuid' as const },
    ...Object.entries(projection.table.columns).map(([name, type]) => ({ name: snake(name), type })),
  ]
  const names = Object.keys(projection.table.columns)
  const table = rowTable(projection, schema)
  const byTenant = new Map<string, Map<string, Entry>>()
  const counted = new Map<string, number>()
  const parked: Parked[] = []
  const parkedKeys = new Set<string>()
  let weight = 0
  let page = 0
  let spilled = false
  let rowsOut = 0
  let rowsBack = 0
  let keyedTable = false
  /** The last spill, which may still be on its way. */
  let writing: Promise<void> = Promise.resolve()

  function rowsOf(tenantId: string): Map<string, Entry> {
    const known = byTenant.get(tenantId)
    if (known !== undefined) return known
    const made = new Map<string, Entry>()
    byTenant.set(tenantId, made)
    return made
  }
  const count = (tenantId: string, by: number): unknown => counted.set(tenantId, (counted.get(tenantId) ?? 0) + by)

  function refuse(at: RecordedEvent, id: string, error: unknown): void {
    if (parkedBefore === undefined || parkedBefore.sameVersion || !parkedBefore.positions.has(at.position)) {
      throw new PoisonedRebuild(projection.name, at, error)
    }
    parked.push({ at: ownCopy(at), id, category: 'failed', error: messageOf(error) })
    parkedKeys.add(rowKey(at.stream.tenantId, id))
  }

  /** Whether the event concerns this read model at all; its position is a text that is made for this only. */
  const concerns = (at: RecordedEvent): boolean => handled.has(at.type) && (discarded.size === 0 || !discarded.has(at.position))

  const isLeftOut = (at: RecordedEvent): boolean => leftOut.size > 0 && leftOut.has(at.position)

  function eventOf(at: RecordedEvent): DomainEvent | undefined {
    try {
      return fromStored<DomainEvent>(at)
    } catch (error) {
      if (!isLeftOut(at)) refuse(at, streamName(at.stream), error)
      return undefined
    }
  }

  /** The id of the event's row; undefined when it does not concern this read model after all, or not here. */
  function idOf(at: RecordedEvent, event: DomainEvent): string | undefined {
    const out = isLeftOut(at)
    try {
      const id = projection.key(event, at)
      if (id === undefined || !out) return id
      // What comes behind it waits too, also where the live writer has not come yet.
      parkedKeys.add(rowKey(at.stream.tenantId, id))
    } catch (error) {
      if (!out) refuse(at, streamName(at.stream), error)
    }
    return undefined
  }

  function apply(at: RecordedEvent, event: DomainEvent, id: string): void {
    const { tenantId } = at.stream
    if (parkedKeys.size > 0 && parkedKeys.has(rowKey(tenantId, id))) {
      parked.push({ at: ownCopy(at), id, category: 'behind', error: 'waits behind an earlier event of the same row' })
      return
    }
    const rows = rowsOf(tenantId)
    const entry = rows.get(id)
    let next: AnyRow | 'delete' | undefined
    try {
      next = projection.fold(entry?.row, event, at)
      if (next !== undefined && next !== 'delete' && next !== entry?.row) check(next, id, projection.table, entry?.row)
    } catch (error) {
      return refuse(at, id, error)
    }
    if (entry !== undefined) entry.used = page
    if (next === undefined || next === entry?.row) return
    if (next === 'delete') {
      if (entry === undefined) return
      rows.delete(id)
      weight -= entry.weight
      count(tenantId, -1)
      return
    }
    if (entry === undefined) {
      const heavy = weightOf(next)
      weight += heavy
      rows.set(id, { tenantId, id, row: next, weight: heavy, used: page, changes: 0 })
      count(tenantId, 1)
      return
    }
    entry.row = next
    // A row grows slowly; to weigh it at each change took a fifteenth of the time.
    if ((++entry.changes & 3) !== 0) return
    const heavy = weightOf(next)
    weight += heavy - entry.weight
    entry.weight = heavy
  }

  /** Takes rows that were spilled back into memory. */
  async function takeBack(wanted: readonly { readonly tenantId: string; readonly id: string }[]): Promise<void> {
    if (wanted.length === 0) return
    await writing
    guard?.()
    if (!keyedTable) {
      await ensureKey(pool, projection, schema)
      keyedTable = true
    }
    for (const [tenantId, row] of await table.take(pool, wanted)) {
      rowsBack++
      const heavy = weightOf(row)
      weight += heavy
      rowsOf(tenantId).set(row.id, { tenantId, id: row.id, row, weight: heavy, used: page, changes: 0 })
    }
  }

  async function write(entries: Iterable<Entry>): Promise<void> {
    guard?.()
    const client = await pool.connect()
    let failed: Error | undefined
    try {
      await copyIn(client, `${schema}.${tableOf(projection)}`, columns, entries, valueOf)
    } catch (error) {
      failed = error instanceof Error ? error : new Error(String(error))
      throw error
    } finally {
      client.release(failed)
    }
  }
  const valueOf = (entry: Entry, column: number): Value | undefined => (column === 0 ? entry.tenantId : entry.row[names[column - 1] ?? ''])

  function* all(): Generator<Entry> {
    for (const rows of byTenant.values()) yield* rows.values()
  }

  return {
    projection,
    weight: () => weight,
    returning: () => (rowsOut === 0 ? 0 : rowsBack / rowsOut),
    async fold(events) {
      page++
      if (!spilled) {
        for (const at of events) {
          if (!concerns(at)) continue
          const event = eventOf(at)
          if (event === undefined) continue
          const id = idOf(at, event)
          if (id !== undefined) apply(at, event, id)
        }
        return
      }
      const wanted: { tenantId: string; id: string }[] = []
      const work: { at: RecordedEvent; event: DomainEvent; id: string }[] = []
      const seen = new Set<string>()
      for (const at of events) {
        if (!concerns(at)) continue
        const event = eventOf(at)
        if (event === undefined) continue
        const id = idOf(at, event)
        if (id === undefined) continue
        work.push({ at, event, id })
        const { tenantId } = at.stream
        // What is at hand is at hand when its turn comes, and one that its own event creates is nowhere; of the others the first event of a page decides.
        if (rowsOf(tenantId).has(id)) continue
        const key = rowKey(tenantId, id)
        if (seen.has(key)) continue
        seen.add(key)
        if (!creating.has(at.type)) wanted.push({ tenantId, id })
      }
      await takeBack(wanted)
      for (const { at, event, id } of work) apply(at, event, id)
    },
    async spill(share = 0.5) {
      await writing
      spilled = true
      const ages: number[] = []
      for (const entry of all()) ages.push(entry.used)
      const oldest = Uint32Array.from(ages).sort()[Math.floor(ages.length * share)] ?? 0
      const cold: Entry[] = []
      for (const entry of all()) if (entry.used <= oldest) cold.push(entry)
      for (const { tenantId, id, weight: freed } of cold) {
        byTenant.get(tenantId)?.delete(id)
        weight -= freed
      }
      rowsOut += cold.length
      writing = write(cold)
      // Its failure is met by whoever waits for it; until then it must not count as one that nobody handles.
      writing.catch(() => undefined)
    },
    async finish() {
      await writing
      await write(all())
      byTenant.clear()
      weight = 0
    },
    counts: () => Object.fromEntries([...counted].filter(([, rows]) => rows !== 0)),
    parked: () => parked,
  }
}

/** About what V8 needs for a row: measured with 22 columns it is 8 bytes a column, a header a string, and the entry around it. */
function weightOf(row: AnyRow): number {
  let weight = 300
  for (const value of Object.values(row)) {
    weight += 10
    if (typeof value === 'string') weight += 20 + value.length
    else if (value instanceof Date) weight += 64
    else if (value instanceof Uint8Array) weight += 120 + value.byteLength
  }
  return weight
}
