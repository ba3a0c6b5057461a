import type pg from 'pg'
import { binaryArray } from '../../postgres/binary-array.ts'

export type SubjectKeyId = { readonly tenantId: string; readonly subject: string; readonly version: number }
export type ProposedKey = SubjectKeyId & { readonly wrapped: Buffer }
/** `wrapped` null: destroyed on purpose. */
export type StoredKey = SubjectKeyId & { readonly wrapped: Buffer | null; readonly created: boolean }

type Row = { tenant_id: string; subject: string; version: number; wrapped_key: Buffer | null; created: boolean }
const stored = (row: Row): StoredKey => ({
  tenantId: row.tenant_id,
  subject: row.subject,
  version: row.version,
  wrapped: row.wrapped_key,
  created: row.created,
})

const idColumns = (keys: readonly SubjectKeyId[]): Buffer[] => [
  binaryArray(
    'uuid',
    keys.map((key) => key.tenantId),
  ),
  binaryArray(
    'text',
    keys.map((key) => key.subject),
  ),
  binaryArray(
    'int4',
    keys.map((key) => key.version),
  ),
]

/**
 * Stores the proposals for subjects that have no key of that version, in one commit, and answers with the newest key of every subject.
 * A subject is left out when another process stored a key at this very moment (its row is younger than this statement's snapshot): ask again.
 * The order by keeps two processes that create the same keys from waiting for each other in a circle.
 */
export async function proposeSubjectKeys(pool: pg.Pool, keys: readonly ProposedKey[]): Promise<readonly StoredKey[]> {
  const { rows } = await pool.query<Row>({
    name: 'keyring-propose',
    text: `
      with proposed as (
        select * from unnest($1::uuid[], $2::text[], $3::int4[], $4::bytea[]) as p (tenant_id, subject, version, wrapped_key)
      ), created as (
        insert into keyring.subject_keys (tenant_id, subject, version, wrapped_key)
        select * from proposed order by tenant_id, subject
        on conflict do nothing
        returning tenant_id, subject, version, wrapped_key
      )
      select tenant_id, subject, version, wrapped_key, true as created from created
      union all
      select p.tenant_id, p.subject, k.version, k.wrapped_key, false
      from proposed p
      cross join lateral (
        select version, wrapped_key from keyring.subject_keys s
        where s.tenant_id = p.tenant_id and s.subject = p.subject order by version desc limit 1
      ) k
      where not exists (select from created c where c.tenant_id = p.tenant_id and c.subject = p.subject)`,
    values: [
      ...idColumns(keys),
      binaryArray(
        'bytea',
        keys.map((key) => key.wrapped),
      ),
    ],
  })
  return rows.map(stored)
}

export async function readSubjectKeys(pool: pg.Pool, keys: readonly SubjectKeyId[]): Promise<readonly StoredKey[]> {
  const { rows } = await pool.query<Row>({
    name: 'keyring-read',
    text: `
      select k.tenant_id, k.subject, k.version, k.wrapped_key, false as created
      from unnest($1::uuid[], $2::text[], $3::int4[]) as w (tenant_id, subject, version)
      join keyring.subject_keys k using (tenant_id, subject, version)`,
    values: idColumns(keys),
  })
  return rows.map(stored)
}

/**
 * For good: what all versions of these keys sealed can be read by nobody any more. A process that has one in memory looks again within a minute.
 * The rows stay, so that what they sealed is known to be erased and not taken for damaged. Answers how many keys went.
 */
export async function destroySubjectKeys(
  pool: pg.Pool,
  subjects: readonly { readonly tenantId: string; readonly subject: string }[],
): Promise<number> {
  const { rowCount } = await pool.query(
    `update keyring.subject_keys k set wrapped_key = null, destroyed_at = clock_timestamp()
     from unnest($1::uuid[], $2::text[]) as gone (tenant_id, subject)
     where k.tenant_id = gone.tenant_id and k.subject = gone.subject and k.wrapped_key is not null`,
    [subjects.map(({ tenantId }) => tenantId), subjects.map(({ subject }) => subject)],
  )
  return rowCount ?? 0
}
