import { sql } from 'kysely'
import type { Position } from '../../domain/kernel/position.ts'
import { queryBuilder, type TenantQueries } from '../../postgres/queries.ts'
import { selection, type ReadTable } from '../engine/naming.ts'
import { BadCursor, decodeCursor, pageOf, type Page } from '../engine/page.ts'
import { audit, type AuditRow } from './projection.ts'

export type AuditFilter = {
  /** An actor's id, or kind and id: `api:…`. */
  readonly actor?: string | undefined
  /** Any of these. Named, also what is left out of the list otherwise. */
  readonly actions?: readonly string[] | undefined
  readonly entityType?: string | undefined
  readonly entityId?: string | undefined
  /** After this position, and up to that one. Moments never go back along positions, so a span of time is one of positions, in which every index here ends. */
  readonly after?: Position | undefined
  readonly upTo?: Position | undefined
  readonly correlationId?: string | undefined
}

const db = queryBuilder<{ 'rm_audit.audit': ReadTable<AuditRow> }>()

const ofTenant = (tenantId: string) =>
  db.selectFrom('rm_audit.audit as a').where('a.tenant_id', '=', tenantId).select(selection<AuditRow, 'a'>(audit.table, 'a'))

export type AuditPage = AuditFilter & { readonly limit: number; readonly cursor?: string | undefined }

/** Newest first. @throws BadCursor */
export async function listAudit(queries: TenantQueries, tenantId: string, page: AuditPage): Promise<Page<AuditRow>> {
  return pageOf(await queries.run(tenantId, auditQuery(tenantId, page)), page.limit, (row) => ({ key: row.position, id: row.id }))
}

/** One row more than the page, so that it is known whether there is a next one. @throws BadCursor */
export function auditQuery(tenantId: string, { limit, cursor, ...filter }: AuditPage) {
  let query = ofTenant(tenantId)
    .orderBy('a.position', 'desc')
    .limit(limit + 1)
  if (filter.actions === undefined) query = query.where(sql<boolean>`not a.noise`)
  else query = query.where('a.action', 'in', filter.actions)
  if (filter.actor !== undefined) {
    const [, kind, id] = /^(user|api|operator|process|provider):(.+)$/.exec(filter.actor) ?? []
    query = query.where('a.actor_id', '=', id ?? filter.actor)
    if (kind !== undefined) query = query.where('a.actor_kind', '=', kind)
  }
  if (filter.entityType !== undefined) query = query.where('a.entity_type', '=', filter.entityType)
  if (filter.entityId !== undefined) query = query.where('a.entity_id', '=', filter.entityId)
  if (filter.correlationId !== undefined) query = query.where('a.correlation_id', '=', filter.correlationId)
  if (filter.after !== undefined) query = query.where('a.position', '>', bigint(filter.after))
  if (filter.upTo !== undefined) query = query.where('a.position', '<=', bigint(filter.upTo))
  if (cursor !== undefined) query = query.where('a.position', '<', placeOf(cursor))
  return query.compile()
}

const bigint = (position: Position): string => BigInt(position).toString()

function placeOf(cursor: string): string {
  const { key } = decodeCursor(cursor)
  if (!/^\d{1,18}$/.test(key)) throw new BadCursor('not a cursor of this list')
  return key
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** The row of an event; undefined for what is the id of none (a cause may also be a command). */
export async function getAuditRow(queries: TenantQueries, tenantId: string, eventId: string): Promise<AuditRow | undefined> {
  if (!uuid.test(eventId)) return undefined
  const [row] = await queries.run(tenantId, ofTenant(tenantId).where('a.id', '=', eventId).compile())
  return row
}

/** Which edge of the log's web to follow. */
export type Edge = 'causationId' | 'message' | 'answers' | 'correlationId'

/** Rows at the other end of an edge, oldest first, at most so many. */
export const rowsAlong = async (
  queries: TenantQueries,
  tenantId: string,
  edge: Edge,
  ids: readonly string[],
  most: number,
): Promise<readonly AuditRow[]> => (ids.length === 0 ? [] : queries.run(tenantId, edgeQuery(tenantId, edge, ids, most)))

export function edgeQuery(tenantId: string, edge: Edge, ids: readonly string[], most: number) {
  let query = ofTenant(tenantId).orderBy('a.position').limit(most)
  switch (edge) {
    case 'causationId':
      query = query.where('a.causation_id', 'in', ids)
      break
    case 'message':
      query = query.where('a.message', 'in', ids)
      break
    case 'answers':
      query = query.where('a.answers', 'in', ids)
      break
    case 'correlationId':
      query = query.where('a.correlation_id', 'in', ids).where(sql<boolean>`not a.noise`)
      break
    default:
      return edge satisfies never
  }
  return query.compile()
}
