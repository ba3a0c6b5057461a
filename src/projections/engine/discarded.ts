import type { Pool, PoolClient } from 'pg'
import { positionOf, type Position } from '../../domain/kernel/position.ts'

/**
 * Events that a person discarded for a read model, of one tenant or of all. Whoever makes rows of it leaves them out, in every version and for good, also
 * when the fold could take them by now: a row must not depend on when it was made.
 */
export async function discardedPositions(db: Pool | PoolClient, projection: string, tenantId?: string): Promise<ReadonlySet<Position>> {
  const { rows } = await db.query<{ position: string }>(
    'select position from es.discarded_events where projection = $1 and ($2::uuid is null or tenant_id = $2)',
    [projection, tenantId ?? null],
  )
  return new Set(rows.map(({ position }) => positionOf(position)))
}
