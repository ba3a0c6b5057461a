import { queryBuilder, type TenantQueries } from '../../postgres/queries.ts'
import { subscriptionOf } from './naming.ts'
import { BadCursor, decodeCursor, pageOf, type Page } from './page.ts'

/** An event that a read model could not apply, or (`behind`) one that waits behind such an event of the same row. */
export type ParkedEvent = {
  readonly position: string
  readonly type: string
  readonly row: string
  readonly category: string
  readonly error: string
  readonly parkedAt: Date
}

const db = queryBuilder<{
  'es.parked_events': {
    tenant_id: string
    subscription: string
    position: string
    stream_key: string
    event_type: string
    category: string
    error: string
    parked_at: Date
    resolved_at: Date | null
  }
}>()

/** Those of one generation that nobody has looked after yet, oldest first. @throws BadCursor */
export async function listParkedEvents(
  queries: TenantQueries,
  tenantId: string,
  { projection, cursor, limit }: { projection: { name: string; version: number }; cursor?: string | undefined; limit: number },
): Promise<Page<ParkedEvent>> {
  let query = db
    .selectFrom('es.parked_events')
    .where('tenant_id', '=', tenantId)
    .where('subscription', '=', subscriptionOf(projection))
    .where('resolved_at', 'is', null)
    .select(['position', 'event_type as type', 'stream_key as row', 'category', 'error', 'parked_at as parkedAt'])
    .orderBy('position')
    .limit(limit + 1)
  if (cursor !== undefined) query = query.where('position', '>', placeOf(cursor))
  return pageOf(await queries.run(tenantId, query.compile()), limit, ({ position }) => ({ key: position, id: '' }))
}

function placeOf(cursor: string): string {
  const { key } = decodeCursor(cursor)
  if (!/^\d{1,18}$/.test(key)) throw new BadCursor('not a cursor of this list')
  return key
}
