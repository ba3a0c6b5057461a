import { sql } from 'kysely'
import type { ReadTable } from '../engine/naming.ts'
import { BadCursor, decodeCursor, pageOf, type Page } from '../engine/page.ts'
import { queryBuilder, type TenantQueries } from '../../postgres/queries.ts'
import type { MessageRow } from './projection.ts'
import { getMessages, type MessageView } from './queries.ts'

export const troubledStatuses = ['failed', 'unknown'] as const
export type TroubledFilter = {
  readonly status?: (typeof troubledStatuses)[number] | undefined
  readonly channelId?: string | undefined
  readonly cursor?: string | undefined
  readonly limit: number
}

const db = queryBuilder<{ 'rm_messages.messages': ReadTable<MessageRow> }>()

/** Messages of ours that did not get through, or of which nobody knows: newest first, along an index that holds no others. @throws BadCursor */
export async function listTroubled(queries: TenantQueries, tenantId: string, filter: TroubledFilter): Promise<Page<MessageView>> {
  const { status, channelId, cursor, limit } = filter
  let query = db
    .selectFrom('rm_messages.messages as m')
    .where('m.tenant_id', '=', tenantId)
    // Said as the index says it, else it would not be used.
    .where(sql<boolean>`m.status in ('failed', 'unknown')`)
    .select(['m.id', 'm.position'])
    .orderBy('m.position', 'desc')
    .limit(limit + 1)
  if (status !== undefined) query = query.where('m.status', '=', status)
  if (channelId !== undefined) query = query.where('m.channel_id', '=', channelId)
  if (cursor !== undefined) {
    const { key } = decodeCursor(cursor)
    if (!/^\d{1,18}$/.test(key)) throw new BadCursor('not a cursor of this list')
    query = query.where('m.position', '<', key)
  }
  const places = await queries.run(tenantId, query.compile())
  const page = pageOf(places, limit, ({ id, position }) => ({ key: position, id }))
  const messages = new Map(
    (
      await getMessages(
        queries,
        tenantId,
        page.rows.map(({ id }) => id),
      )
    ).map((row) => [row.id, row]),
  )
  return { ...page, rows: page.rows.flatMap(({ id }) => messages.get(id) ?? []) }
}
