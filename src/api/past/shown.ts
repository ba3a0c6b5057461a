import type { TenantLog } from '../../domain/kernel/event-store.ts'
import type { Position } from '../../domain/kernel/position.ts'
import { foldAsOf, viewOf } from '../../projections/engine/as-of.ts'
import type { Projection } from '../../projections/engine/projection.ts'

/** A row as it is, or as it was at a moment with the position that this came to. */
export async function shown<View>(
  log: Pick<TenantLog, 'readStream' | 'positionAt'>,
  wanted: { readonly projection: Projection; readonly tenantId: string; readonly id: string; readonly moment: Date | Position | undefined },
  present: () => Promise<View | undefined>,
): Promise<{ readonly row: View | undefined; readonly position: Position | undefined }> {
  const { projection, tenantId, id, moment } = wanted
  if (moment === undefined) return { row: await present(), position: undefined }
  const position = await log.positionAt(moment)
  const row = await foldAsOf(log, projection, { tenantId, id, position })
  return { row: row === undefined ? undefined : viewOf<View>(projection, row), position }
}
