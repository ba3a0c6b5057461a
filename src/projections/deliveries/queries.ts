import { sql } from 'kysely'
import { selection, type Read, type ReadTable } from '../engine/naming.ts'
import { BadCursor, decodeCursor, pageOf, type Page } from '../engine/page.ts'
import { queryBuilder, type TenantQueries } from '../../postgres/queries.ts'
import { positionOf as positionIn, start, type Position } from '../../domain/kernel/position.ts'
import type { ReplayFilter } from '../../domain/replay/events.ts'
import type { OperatorQueries } from '../engine/operator.ts'
import { deliveries, type DeliveryFailure, type DeliveryRow } from './projection.ts'

export const deliveryStates = ['received', 'processed', 'parked', 'failed'] as const
export type DeliveryState = (typeof deliveryStates)[number]

type DeliveryColumns = Read<
  DeliveryRow,
  {
    readonly phoneNumberIds: readonly string[]
    readonly wabaIds: readonly string[]
    readonly failures: readonly DeliveryFailure[]
  }
>

/** `state` is what it is now: a received delivery that the intake has passed was processed. The raw body is the attachment of the stream's first event. */
export type DeliveryView = Omit<DeliveryColumns, 'state'> & { readonly state: DeliveryState }

export type DeliveryFilter = { readonly state?: DeliveryState | undefined; readonly cursor?: string | undefined; readonly limit: number }

/** The subscription whose checkpoint says how far deliveries were worked through. */
const intake = 'intake'

const db = queryBuilder<{
  'rm_deliveries.deliveries': ReadTable<DeliveryColumns>
  'es.checkpoints': { name: string; position: string }
  'es.attachment_purges': { tenant_id: string; before: Date; purged_at: Date }
}>()

/** How far the intake has come: looked up once per statement, not per row. */
const passed = () =>
  db
    .selectFrom('es.checkpoints as intake')
    .where('intake.name', '=', intake)
    .select((eb) => eb.ref('intake.position').as('position'))

/** History that the intake put aside for when there is time: passed, but not processed. */
const postponed = sql<boolean>`exists (select from work.postponed_deliveries p where p.tenant_id = d.tenant_id and p.delivery_id = d.id)`

const { state: _computed, ...stored } = deliveries.table.columns

const ofTenant = (tenantId: string) =>
  db
    .selectFrom('rm_deliveries.deliveries as d')
    .where('d.tenant_id', '=', tenantId)
    .select(selection<Omit<DeliveryColumns, 'state'>, 'd'>({ columns: stored }, 'd'))
    .select(
      sql<DeliveryState>`case when d.state = 'received' and d.position <= coalesce((${passed()}), 0) and not ${postponed} then 'processed' else d.state end`.as(
        'state',
      ),
    )

/** Behind this place stand all that wait: not passed by the intake, or put aside. Without it a page of the few that wait would read all there ever were. */
const waitingAfter = (tenantId: string) =>
  sql<string>`(select least(coalesce((${passed()}), 0), (select min(p.position) - 1 from work.postponed_deliveries p where p.tenant_id = ${tenantId})))`

/** Newest first. @throws BadCursor */
export async function listDeliveries(queries: TenantQueries, tenantId: string, filter: DeliveryFilter): Promise<Page<DeliveryView>> {
  const rows = await queries.run(tenantId, deliveriesQuery(tenantId, filter))
  return pageOf(rows, filter.limit, (row) => ({ key: row.position, id: row.id }))
}

/** The statement of `listDeliveries`, for it and for the test of its plan. @throws BadCursor */
export function deliveriesQuery(tenantId: string, { state, cursor, limit }: DeliveryFilter) {
  let query = ofTenant(tenantId)
    .orderBy('d.position', 'desc')
    .limit(limit + 1)
  if (state === 'parked' || state === 'failed') query = query.where('d.state', '=', state)
  if (state === 'received') {
    query = query
      .where('d.state', '=', state)
      .where('d.position', '>', waitingAfter(tenantId))
      .where(sql<boolean>`(d.position > coalesce((${passed()}), 0) or ${postponed})`)
  }
  if (state === 'processed') {
    query = query.where(
      sql<boolean>`(d.state = 'processed' or d.state = 'received' and d.position <= coalesce((${passed()}), 0) and not ${postponed})`,
    )
  }
  if (cursor !== undefined) query = query.where('d.position', '<', positionOf(cursor))
  return query.compile()
}

/** Positions are unique: the key alone is the place. */
function positionOf(cursor: string): string {
  const { key } = decodeCursor(cursor)
  if (!/^\d{1,18}$/.test(key)) throw new BadCursor('not a cursor of this list')
  return key
}

export async function getDelivery(queries: TenantQueries, tenantId: string, id: string): Promise<DeliveryView | undefined> {
  const [row] = await queries.run(tenantId, ofTenant(tenantId).where('d.id', '=', id).compile())
  return row
}

/** When retention removed the raw body of a delivery that has none any more; undefined when it was not retention. */
export async function purgedAt(
  queries: TenantQueries,
  tenantId: string,
  { receivedAt }: Pick<DeliveryView, 'receivedAt'>,
): Promise<Date | undefined> {
  const query = db
    .selectFrom('es.attachment_purges as p')
    .where('p.tenant_id', '=', tenantId)
    .where('p.before', '>', receivedAt)
    .orderBy('p.before')
    .limit(1)
    .select('p.purged_at')
  const [row] = await queries.run(tenantId, query.compile())
  return row?.purged_at
}

/** Received behind one place of the log and up to another, so that a walk through them ends, whatever becomes of each on the way. */
type StuckWalk = { readonly after: Position; readonly upto: Position; readonly limit: number }

/** Of the partial index `troubled`: the stuck ones are few, so the conditions on their failures need no index of their own. */
function stuckOf(tenantId: string, filter: ReplayFilter, { after, upto }: Omit<StuckWalk, 'limit'>) {
  let query = db
    .selectFrom('rm_deliveries.deliveries as d')
    .where('d.tenant_id', '=', tenantId)
    .where('d.state', 'in', filter.state === undefined ? ['failed', 'parked'] : [filter.state])
    .where('d.position', '>', BigInt(after).toString())
    .where('d.position', '<=', BigInt(upto).toString())
  const failure = (condition: ReturnType<typeof sql<boolean>>) =>
    sql<boolean>`exists (select from json_array_elements(d.failures) f where ${condition})`
  const { from, to, phoneNumberId, item, error } = filter
  if (from !== undefined) query = query.where('d.received_at', '>=', new Date(from))
  if (to !== undefined) query = query.where('d.received_at', '<', new Date(to))
  if (phoneNumberId !== undefined) {
    const waits = sql<boolean>`exists (select from json_array_elements_text(d.phone_number_ids) n where n = ${phoneNumberId})`
    query = query.where((eb) => eb.or([waits, failure(sql<boolean>`f ->> 'phoneNumberId' = ${phoneNumberId}`)]))
  }
  if (item !== undefined) query = query.where(failure(sql<boolean>`f ->> 'item' = ${item}`))
  if (error !== undefined) query = query.where(failure(sql<boolean>`strpos(lower(f ->> 'error'), lower(${error})) > 0`))
  return query
}

/** In the order in which they were received. */
export async function stuckDeliveries(
  queries: OperatorQueries,
  tenantId: string,
  filter: ReplayFilter,
  walk: StuckWalk,
): Promise<readonly { readonly id: string; readonly position: Position }[]> {
  const query = stuckOf(tenantId, filter, walk).select(['d.id', 'd.position']).orderBy('d.position').limit(walk.limit)
  return (await queries.runAcross(query.compile())).map(({ id, position }) => ({ id, position: positionIn(position) }))
}

export async function countStuckDeliveries(queries: OperatorQueries, tenantId: string, filter: ReplayFilter, upto: Position): Promise<number> {
  const query = stuckOf(tenantId, filter, { after: start, upto }).select((eb) => eb.cast<number>(eb.fn.countAll(), 'integer').as('stuck'))
  const [row] = await queries.runAcross(query.compile())
  return row?.stuck ?? 0
}
