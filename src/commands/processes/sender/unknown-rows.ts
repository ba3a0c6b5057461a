import type { Pool } from 'pg'
import type { Priority } from '../../../domain/conversation/events.ts'
import { rankOf } from './outbox-changes.ts'

export type UnknownRow = {
  readonly conversationId: string
  readonly messageId: string
  readonly attempt: number
}

/** Tenants that have messages of unknown outcome, hopping along the index: a flood of one tenant is not read to find the others. */
export async function readTenantsInDoubt(pool: Pool): Promise<readonly string[]> {
  const { rows } = await pool.query<{ tenant_id: string }>({
    name: 'outbox_tenants_in_doubt',
    text: `
      with recursive tenants as (
        (select tenant_id from work.outbox where state = 'unknown' order by tenant_id limit 1)
        union all
        select next.tenant_id from tenants t cross join lateral (
          select tenant_id from work.outbox where state = 'unknown' and tenant_id > t.tenant_id order by tenant_id limit 1
        ) next
      )
      select tenant_id from tenants`,
  })
  return rows.map(({ tenant_id }) => tenant_id)
}

/**
 * Those of a priority that have been waiting since before a moment, oldest first. `firstOnly`: without those that were sent again before,
 * because an outcome that is unknown twice is for a person to look at.
 */
export async function readUnknown(
  pool: Pool,
  { tenantId, before, priority, firstOnly, limit }: { tenantId: string; before: Date; priority: Priority; firstOnly: boolean; limit: number },
): Promise<readonly UnknownRow[]> {
  const { rows } = await pool.query<{ conversation_id: string; message_id: string; attempt: number }>({
    name: 'outbox_unknown',
    text: `
      select conversation_id, message_id, attempt from work.outbox
      where tenant_id = $1 and state = 'unknown' and due_at < $2 and priority = $3 and (attempts_before = 0 or not $4)
      order by due_at limit $5`,
    values: [tenantId, before, rankOf[priority], firstOnly, limit],
  })
  return rows.map(({ conversation_id: conversationId, message_id: messageId, attempt }) => ({ conversationId, messageId, attempt }))
}
