import type pg from 'pg'
import type { KeyDestroyer } from '../../commands/ports/key-destroyer.ts'
import { destroySubjectKeys } from './subject-keys.ts'

/** @param pool connections of the role recado_worker */
export const createKeyDestroyer = (pool: pg.Pool): KeyDestroyer => ({
  async standing(prefix) {
    // `^@` and not `like`: nothing in the name is a pattern. The index of what is not one person's holds few rows beside millions of people.
    const { rows } = await pool.query<{ tenant_id: string; subject: string }>(
      `select distinct tenant_id, subject from keyring.subject_keys
       where position(':' in subject) > 0 and wrapped_key is not null and subject ^@ $1 order by tenant_id, subject`,
      [prefix],
    )
    return rows.map(({ tenant_id: tenantId, subject }) => ({ tenantId, subject }))
  },
  destroy: (subjects) => destroySubjectKeys(pool, subjects),
})
