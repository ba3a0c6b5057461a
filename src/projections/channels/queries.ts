import type { NumberFacts } from '../../domain/channel/events.ts'
import type { OperatorQueries } from '../engine/operator.ts'
import { selection, type Read, type ReadTable } from '../engine/naming.ts'
import { momentOf, pageOf, type Page } from '../engine/page.ts'
import { queryBuilder, type TenantQueries } from '../../postgres/queries.ts'
import { channels, type ChannelFailure, type ChannelRow } from './projection.ts'

export type ChannelView = Read<
  ChannelRow,
  {
    readonly lastError: ChannelFailure | null
    readonly number: Omit<NumberFacts, 'displayPhone' | 'verifiedName' | 'qualityRating' | 'throughput' | 'messagingLimit'>
  }
>

const db = queryBuilder<{ 'rm_channels.channels': ReadTable<ChannelView> }>()

const ofTenant = (tenantId: string) =>
  db.selectFrom('rm_channels.channels as c').where('c.tenant_id', '=', tenantId).select(selection<ChannelView, 'c'>(channels.table, 'c'))

export type ChannelFilter = {
  readonly kind?: string | undefined
  readonly status?: string | undefined
  readonly cursor?: string | undefined
  readonly limit: number
}

/** Oldest first, as they were added. @throws BadCursor */
export async function listChannels(
  queries: TenantQueries,
  tenantId: string,
  { kind, status, cursor, limit }: ChannelFilter,
): Promise<Page<ChannelView>> {
  let query = ofTenant(tenantId)
    .orderBy('c.created_at')
    .orderBy('c.id')
    .limit(limit + 1)
  if (kind !== undefined) query = query.where('c.kind', '=', kind)
  if (status !== undefined) query = query.where('c.status', '=', status)
  if (cursor !== undefined) {
    const after = momentOf(cursor)
    query = query.where((eb) => eb(eb.refTuple('c.created_at', 'c.id'), '>', eb.tuple(after.at, after.id)))
  }
  const rows = await queries.run(tenantId, query.compile())
  return pageOf(rows, limit, (row) => ({ key: row.createdAt.toISOString(), id: row.id }))
}

export async function getChannel(queries: TenantQueries, tenantId: string, id: string): Promise<ChannelView | undefined> {
  const [row] = await getChannels(queries, tenantId, [id])
  return row
}

/** Those of the ids that exist, in no order. */
export async function getChannels(queries: TenantQueries, tenantId: string, ids: readonly string[]): Promise<readonly ChannelView[]> {
  return ids.length === 0 ? [] : queries.run(tenantId, ofTenant(tenantId).where('c.id', 'in', ids).compile())
}

/** Channels of the whole installation by status, for its metrics. */
export const countChannels = (queries: OperatorQueries): Promise<readonly { readonly status: string; readonly channels: number }[]> =>
  queries.runAcross(
    db
      .selectFrom('rm_channels.channels as c')
      .groupBy('c.status')
      .select((eb) => ['c.status', eb.cast<number>(eb.fn.countAll(), 'integer').as('channels')])
      .compile(),
  )
