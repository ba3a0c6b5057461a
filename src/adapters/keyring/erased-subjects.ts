import type pg from 'pg'
import type { ErasedSubjects } from '../../commands/ports/erased-subjects.ts'

/** @param pool connections of the role recado_worker */
export const createErasedSubjects =
  (pool: pg.Pool): ErasedSubjects =>
  async (since) => {
    const { rows } = await pool.query<{ tenant_id: string; subject: string; erased_at: Date }>(
      `select tenant_id, subject, max(destroyed_at) as erased_at from keyring.subject_keys
       where destroyed_at >= $1 group by tenant_id, subject order by erased_at`,
      [since],
    )
    return rows.map((row) => ({ tenantId: row.tenant_id, subject: row.subject, erasedAt: row.erased_at }))
  }
