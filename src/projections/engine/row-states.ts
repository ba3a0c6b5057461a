import type { Pool } from 'pg'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { Position } from '../../domain/kernel/position.ts'
import { keyPage } from './fold-page.ts'
import { schemaOf, snake } from './naming.ts'
import type { AnyRow, Projection, Value } from './projection.ts'
import { rowTable } from './rows.ts'

/** A row as others may have it: named as in the API, its JSON as JSON, what is sealed still sealed. Undefined: there is none any more. */
export type RowState = {
  readonly tenantId: string
  readonly id: string
  readonly state: Readonly<Record<string, unknown>> | undefined
  /** Version of the read model: what the fields mean. */
  readonly shape: number
  /** The event behind which it was looked at; the row may already show later ones. */
  readonly at: { readonly position: Position; readonly id: string }
}

/** The rows that a page of events touched, as they are once the read model shows that page. */
export type RowStates = (events: readonly RecordedEvent[], through: Position, signal: AbortSignal) => Promise<readonly RowState[]>

export function createRowStates({
  projection,
  pool,
  shown,
}: {
  projection: Projection
  pool: Pool
  /** Whether the read model shows everything up to a position now, or in a moment. */
  shown: (name: string, position: Position) => Promise<boolean>
}): RowStates {
  const table = rowTable(projection, schemaOf(projection))
  return async (events, through, signal) => {
    const touched = new Map<string, { tenantId: string; id: string; at: RowState['at'] }>()
    for (const { key, id, at } of keyPage(projection, events).keyed) {
      // The last event of a row comes last, so that the last one of all is that of the page.
      touched.delete(key)
      touched.set(key, { tenantId: at.stream.tenantId, id, at: { position: at.position, id: at.id } })
    }
    while (!(await shown(projection.name, through))) signal.throwIfAborted()
    const rows = await table.load(pool, [...touched.values()])
    return [...touched].map(([key, one]) => ({ ...one, state: stateOf(rows.get(key), projection), shape: projection.version }))
  }
}

function stateOf(row: AnyRow | undefined, { table: { columns } }: Projection): RowState['state'] {
  if (row === undefined) return undefined
  const plain = (column: string, value: Value): unknown => {
    if (columns[column] === 'json' && typeof value === 'string') return JSON.parse(value)
    return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value
  }
  return Object.fromEntries(Object.entries(row).map(([column, value]) => [snake(column), plain(column, value)]))
}
