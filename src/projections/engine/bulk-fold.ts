import type { Pool } from 'pg'
import type { DomainEvent } from '../../domain/catalogue.ts'
import { fromStored } from '../../domain/kernel/codec.ts'
import { ownCopy, type RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { Position } from '../../domain/kernel/position.ts'
import { streamName } from '../../domain/kernel/stream.ts'
import { check, messageOf, rowKey, type Parked } from './fold-page.ts'
import { packRows, type Packed } from './packed-rows.ts'
import type { AnyRow, Projection } from './projection.ts'
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

/** Its row as it is, as bytes, or both while nothing changed it. `used`: the page that asked for it last. */
type Entry = { readonly tenantId: string; readonly id: string; row: AnyRow | undefined; packed: Packed | undefined; used: number }

/** For so many pages a row stays as it is after it was asked for; then it is packed. */
const freshPages = 2
/** About what V8 needs for a row that is not packed, and for what holds one that is. */
const [rowBytes, entryBytes] = [2_000, 250]

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
  const table = rowTable(projection, schema)
  const packer = packRows(projection, schema)
  const outlet = packer.outletTo(pool, guard)
  const byTenant = new Map<string, Map<string, Entry>>()
  const counted = new Map<string, number>()
  const parked: Parked[] = []
  const parkedKeys = new Set<string>()
  let page = 0
  let fresh = 0
  let packedBytes = 0
  /** What pages asked for, by their numbers modulo `freshPages`; what was asked for again since is in a later one, too. */
  const asked: Entry[][] = Array.from({ length: freshPages }, () => [])
  /** Some rows are in the table: one that is not here may be there. */
  let spilled = false
  let rowsOut = 0
  let rowsBack = 0
  let keyedTable = false

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

  const isParked = ({ stream: { tenantId } }: RecordedEvent, id: string): boolean => parkedKeys.size > 0 && parkedKeys.has(rowKey(tenantId, id))

  function apply(at: RecordedEvent, event: DomainEvent, id: string, known?: Entry): void {
    const { tenantId } = at.stream
    if (isParked(at, id)) {
      parked.push({ at: ownCopy(at), id, category: 'behind', error: 'waits behind an earlier event of the same row' })
      return
    }
    const entry = known ?? rowsOf(tenantId).get(id)
    if (entry !== undefined) use(entry)
    const row = entry?.row
    let next: AnyRow | 'delete' | undefined
    try {
      next = projection.fold(row, event, at)
      if (next !== undefined && next !== 'delete' && next !== row) check(next, id, projection.table, row)
    } catch (error) {
      return refuse(at, id, error)
    }
    if (next === undefined || next === row) return
    if (next === 'delete') {
      if (entry === undefined) return
      forget(entry)
      count(tenantId, -1)
    } else if (entry === undefined) {
      enter(tenantId, next)
      count(tenantId, 1)
    } else {
      entry.row = next
      drop(entry)
    }
  }

  /** Brings the row of an entry to hand for this page and some more. */
  function use(entry: Entry): void {
    if (entry.used !== page) {
      entry.used = page
      asked[page % freshPages]?.push(entry)
    }
    if (entry.row !== undefined || entry.packed === undefined) return
    entry.row = packer.unpack(entry.packed)
    fresh++
  }

  function enter(tenantId: string, row: AnyRow): void {
    const entry: Entry = { tenantId, id: row.id, row, packed: undefined, used: 0 }
    fresh++
    use(entry)
    rowsOf(tenantId).set(row.id, entry)
  }

  /** The packed form, when there is another one now. */
  function drop(entry: Entry): void {
    if (entry.packed === undefined) return
    packedBytes -= entry.packed.length + entryBytes
    entry.packed = undefined
  }

  function forget(entry: Entry): void {
    drop(entry)
    if (entry.row !== undefined) fresh--
    entry.row = undefined
    byTenant.get(entry.tenantId)?.delete(entry.id)
  }

  /** Packs what nobody asked for of late; what nothing will happen to any more leaves at once. */
  function age(): void {
    const oldest = page + 1 - freshPages
    for (const entry of asked[(page + 1) % freshPages]?.splice(0) ?? []) {
      const { tenantId, row } = entry
      if (row === undefined || entry.used !== oldest) continue
      if (projection.settled?.(row) === true) {
        leave(entry)
        continue
      }
      if (entry.packed === undefined) {
        entry.packed = packer.pack(tenantId, row)
        packedBytes += entry.packed.length + entryBytes
      }
      entry.row = undefined
      fresh--
    }
  }

  function leave(entry: Entry): void {
    if (entry.packed !== undefined) outlet.put(entry.packed)
    else if (entry.row !== undefined) outlet.putRow(entry.tenantId, entry.row)
    forget(entry)
    rowsOut++
    spilled = true
  }

  /** Takes rows that are in the table back into memory. */
  async function takeBack(wanted: readonly { readonly tenantId: string; readonly id: string }[]): Promise<void> {
    await outlet.settle()
    guard?.()
    if (!keyedTable) {
      await ensureKey(pool, projection, schema)
      keyedTable = true
    }
    for (const [tenantId, row] of await table.take(pool, wanted)) {
      rowsBack++
      enter(tenantId, row)
    }
  }

  function* all(): Generator<Entry> {
    for (const rows of byTenant.values()) yield* rows.values()
  }

  return {
    projection,
    weight: () => fresh * rowBytes + packedBytes,
    returning: () => (rowsOut === 0 ? 0 : rowsBack / rowsOut),
    async fold(events) {
      page++
      // What needs a row of the table waits until all of those are here, and what comes behind it with it; no row needs another one.
      const wanted: { tenantId: string; id: string }[] = []
      const work: { at: RecordedEvent; event: DomainEvent; id: string }[] = []
      const awaited = new Set<string>()
      for (const at of events) {
        if (!concerns(at)) continue
        const event = eventOf(at)
        if (event === undefined) continue
        const id = idOf(at, event)
        if (id === undefined) continue
        const { tenantId } = at.stream
        // Looked up once: a text that was just read is hashed for it, and put among those that are known, which is dear.
        const entry = rowsOf(tenantId).get(id)
        if (entry === undefined && spilled && !isParked(at, id)) {
          const key = rowKey(tenantId, id)
          // One that its own event creates is nowhere.
          if (awaited.has(key) || !creating.has(at.type)) {
            if (!awaited.has(key)) wanted.push({ tenantId, id })
            awaited.add(key)
            work.push({ at, event, id })
            continue
          }
        }
        apply(at, event, id, entry)
      }
      if (wanted.length > 0) await takeBack(wanted)
      for (const { at, event, id } of work) apply(at, event, id)
      age()
      await outlet.relieve()
    },
    async spill(share = 0.5) {
      const ages: number[] = []
      for (const entry of all()) ages.push(entry.used)
      const oldest = Uint32Array.from(ages).sort()[Math.floor(ages.length * share)] ?? 0
      for (const entry of all()) if (entry.used <= oldest) leave(entry)
      await outlet.relieve()
    },
    async finish() {
      for (const entry of all()) {
        leave(entry)
        await outlet.relieve()
      }
      await outlet.settle()
      byTenant.clear()
    },
    counts: () => Object.fromEntries([...counted].filter(([, rows]) => rows !== 0)),
    parked: () => parked,
  }
}
