import { queryBuilder, type TenantQueries } from '../../postgres/queries.ts'
import type { OperatorQueries } from '../engine/operator.ts'
import type { ReadTable } from '../engine/naming.ts'
import type { UsageRow } from './projection.ts'

export type Usage = Omit<UsageRow, 'id'>

const db = queryBuilder<{ 'rm_usage.usage': ReadTable<UsageRow> }>()
const none: Usage = { received: 0, queued: 0, attempted: 0, accepted: 0, failed: 0, unknown: 0 }

/** Sums, so that a day without a row is zeros and the same query serves one organisation and all of them. */
const ofDay = (day: string) =>
  db
    .selectFrom('rm_usage.usage as u')
    .where('u.id', '=', day)
    .select((eb) => {
      const sum = (column: keyof Usage) => eb.cast<number>(eb.fn.coalesce(eb.fn.sum(`u.${column}`), eb.lit(0)), 'integer').as(column)
      return [sum('received'), sum('queued'), sum('attempted'), sum('accepted'), sum('failed'), sum('unknown')]
    })

/** What an organisation did on a day (`2026-01-31`, UTC). */
export async function usageOf(queries: TenantQueries, tenantId: string, day: string): Promise<Usage> {
  const [row] = await queries.run(tenantId, ofDay(day).where('u.tenant_id', '=', tenantId).compile())
  return row ?? none
}

/** What all organisations did; for the operator. */
export async function usageAcross(queries: OperatorQueries, day: string): Promise<Usage> {
  const [row] = await queries.runAcross(ofDay(day).compile())
  return row ?? none
}
