import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { TenantLog } from '../../domain/kernel/event-store.ts'
import type { Position } from '../../domain/kernel/position.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { foldPage, keyPage } from './fold-page.ts'
import type { AnyRow, ColumnType, Projection } from './projection.ts'

// What a read model showed: the same folds, run in memory over the events up to a position. Nothing is stored for it and nothing is kept, so it says what
// the log says, also after a fold was corrected; and it says it of sealed data, which stays erased when it was erased since.

/** The rows that these events of one tenant come to. An event that cannot be applied leaves its row as it was, as it does in the read model. */
export function foldRows<Row extends AnyRow>(projection: Projection<Row>, events: readonly RecordedEvent[]): ReadonlyMap<string, Row> {
  const types = new Set<string>(projection.handles)
  const handled = events.filter(({ type }) => types.has(type))
  const { changes } = foldPage(
    projection,
    keyPage(projection, handled).keyed,
    () => undefined,
    () => false,
  )
  return new Map([...changes.values()].flatMap(({ id, row }) => (row === undefined ? [] : [[id, row as Row] as const])))
}

/** One row as of a position; undefined when there was none. For read models whose rows are named after their stream. */
export async function foldAsOf<Row extends AnyRow>(
  log: Pick<TenantLog, 'readStream'>,
  projection: Projection<Row>,
  { tenantId, id, position }: { tenantId: string; id: string; position: Position },
): Promise<Row | undefined> {
  if (projection.home === undefined) throw new Error(`the rows of ${projection.name} are not named after a stream`)
  const events = await Array.fromAsync(log.readStream(streamRef(projection.home, tenantId, id), { asOf: position }))
  return foldRows(projection, events).get(id)
}

/** A folded row as a query returns it: json parsed, which a fold has as its text. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- a row is what its table says; this is where it gets the type of its view
export function viewOf<View>(projection: { readonly table: { readonly columns: Readonly<Record<string, ColumnType>> } }, row: AnyRow): View {
  const { columns } = projection.table
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      columns[name] === 'json' && typeof value === 'string' ? (JSON.parse(value) as unknown) : value,
    ]),
  ) as View
}
