import type { DomainEvent } from '../../src/domain/catalogue.ts'
import type { RecordedEvent } from '../../src/domain/kernel/envelope.ts'
import type { StreamRef } from '../../src/domain/kernel/stream.ts'
import { foldPage, keyPage, type Parked, type RowKey } from '../../src/projections/engine/fold-page.ts'
import type { AnyRow, Projection } from '../../src/projections/engine/projection.ts'
import { recordedLog } from './recorded.ts'

/** All rows of a read model after these pages, by `<tenant>/<id>`. */
export function foldPages(projection: Projection, pages: readonly (readonly RecordedEvent[])[]): { rows: Map<RowKey, AnyRow>; parked: Parked[] } {
  const rows = new Map<RowKey, AnyRow>()
  const parked: Parked[] = []
  const parkedKeys = new Set<RowKey>()
  const types = new Set<string>(projection.handles)
  for (const page of pages) {
    const { keyed, parked: unkeyed } = keyPage(
      projection,
      page.filter(({ type }) => types.has(type)),
    )
    const folded = foldPage(
      projection,
      keyed,
      (key) => rows.get(key),
      (key) => parkedKeys.has(key),
    )
    for (const [key, { row }] of folded.changes) {
      if (row === undefined) rows.delete(key)
      else rows.set(key, row)
    }
    for (const one of [...unkeyed, ...folded.parked]) {
      parked.push(one)
      parkedKeys.add(`${one.at.stream.tenantId}/${one.id}`)
    }
  }
  return { rows, parked }
}

/** Given what happened, the rows that a read model shows. */
export function rowsAfter<Row extends AnyRow, Event extends DomainEvent>(
  projection: Projection<Row, Event>,
  happened: readonly (readonly [StreamRef, DomainEvent])[],
): Row[] {
  return [...foldPages(projection, [recordedLog(happened)]).rows.values()] as unknown as Row[]
}
