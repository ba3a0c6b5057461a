import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import type { LogScan } from '../../domain/kernel/log-scan.ts'
import { start, type Position } from '../../domain/kernel/position.ts'
import { streamRef, type StreamRef } from '../../domain/kernel/stream.ts'
import { check, keyPage } from './fold-page.ts'
import type { AnyRow, Projection } from './projection.ts'

export type RowLog = { readonly store: Pick<EventStore, 'readStream'>; readonly scan: LogScan }

/** Where the events of a row are, if they are in one stream: the one that bears its id, or the one that a column of it names. */
function streamOf(projection: Projection, tenantId: string, id: string, row: AnyRow | undefined): StreamRef | undefined {
  if (projection.home !== undefined) return streamRef(projection.home, tenantId, id)
  if (projection.within === undefined) return undefined
  const stream = row?.[projection.within.column]
  return typeof stream === 'string' ? streamRef(projection.within.category, tenantId, stream) : undefined
}

/**
 * One row as the log says it was at a position, by a way that has nothing in common with the writers but the fold. `row` is what is stored of it, if
 * anything: it may name the stream to read. Without one the tenant's log is looked through.
 * @throws what the fold throws
 */
export async function foldRow(
  { store, scan }: RowLog,
  projection: Projection,
  wanted: { tenantId: string; id: string; through: Position; row?: AnyRow | undefined; without?: ReadonlySet<Position> | undefined },
): Promise<AnyRow | undefined> {
  const { tenantId, id, through, without } = wanted
  const types = new Set<string>(projection.handles)
  let row: AnyRow | undefined
  const apply = (events: readonly RecordedEvent[]): void => {
    const handled = events.filter((at) => types.has(at.type) && at.position <= through && without?.has(at.position) !== true)
    const { keyed, parked } = keyPage(projection, handled)
    if (parked[0] !== undefined) throw new Error(parked[0].error)
    for (const one of keyed) {
      if (one.id !== id) continue
      const next = projection.fold(row, one.event, one.at)
      if (next === undefined || next === row) continue
      if (next !== 'delete') check(next, id, projection.table)
      row = next === 'delete' ? undefined : next
    }
  }
  const stream = streamOf(projection, tenantId, id, wanted.row)
  if (stream !== undefined) for await (const event of store.readStream(stream)) apply([event])
  else for await (const { events } of scan({ after: start, through, types: projection.handles, tenantId })) apply(events)
  return row
}

/** Whether two rows say the same, as PostgreSQL keeps it: it has no U+0000 in a text. */
export function sameRow(projection: Projection, a: AnyRow | undefined, b: AnyRow | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return Object.entries(projection.table.columns).every(([name, type]) => {
    const [one, other] = [a[name] ?? null, b[name] ?? null]
    if (one instanceof Date && other instanceof Date) return one.getTime() === other.getTime()
    if (one instanceof Uint8Array && other instanceof Uint8Array) return Buffer.compare(one, other) === 0
    if (type === 'text' && typeof one === 'string' && typeof other === 'string') return one.replaceAll('\0', '\uFFFD') === other
    if (type === 'uuid' && typeof one === 'string' && typeof other === 'string') return one.toLowerCase() === other.toLowerCase()
    return one === other
  })
}
