import { queryBuilder } from '../../postgres/queries.ts'
import type { OperatorQueries } from '../engine/operator.ts'

type Tables = { 'rm_conversations.conversations': { tenant_id: string; id: string; status: string; snoozed_until: Date | null } }
const db = queryBuilder<Tables>()

/** Conversations of any tenant whose snooze is over: for the waker, oldest first, a hundred at a time. */
export async function dueSnoozes(queries: OperatorQueries, now: Date): Promise<readonly { tenantId: string; conversationId: string }[]> {
  const rows = await queries.runAcross(
    db
      .selectFrom('rm_conversations.conversations')
      .select(['tenant_id', 'id'])
      .where('status', '=', 'snoozed')
      .where('snoozed_until', '<=', now)
      .orderBy('snoozed_until')
      .limit(100)
      .compile(),
  )
  return rows.map((row) => ({ tenantId: row.tenant_id, conversationId: row.id }))
}
