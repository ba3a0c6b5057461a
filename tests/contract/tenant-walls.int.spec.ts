import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPool } from '../../src/postgres/pool.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'

/** What the whole schema has to keep, whoever adds a table to it: read from PostgreSQL's own catalogue after all migrations. */
describe('the walls between tenants, in every table', () => {
  let db: TestDatabase
  let owner: Pool

  beforeAll(async () => {
    db = await freshDatabase()
    owner = createPool({ url: db.url, role: 'owner', max: 1, name: 'test owner' })
  })
  afterAll(async () => {
    await owner.end()
    await db.drop()
  })

  const names = async (sql: string): Promise<string[]> => (await owner.query<{ name: string }>(sql)).rows.map(({ name }) => name)

  const ours = `n.nspname in ('es', 'keyring', 'work', 'api', 'public') and c.relkind in ('r', 'p', 'v', 'm')`
  const hasTenant = `exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)`

  it('has row level security on every table with a tenant, and on every partition of one', async () => {
    const walled = await names(
      `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where ${ours} and ${hasTenant} and c.relrowsecurity`,
    )
    expect(walled).toContain('es.events')
    expect(
      await names(
        `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where ${ours} and ${hasTenant} and not c.relrowsecurity`,
      ),
    ).toEqual([])
  })

  it('lets the api touch only tables with a tenant, under a policy that compares it, and read the four that tell where and how far the installation is', async () => {
    const tables = `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where ${ours}`
    const may = (rights: string): string => `has_table_privilege('recado_api', c.oid, '${rights}')`
    const walled = `exists (select from pg_policy p where p.polrelid = c.oid and 'recado_api'::regrole = any (p.polroles)
      and pg_get_expr(p.polqual, p.polrelid) like '%tenant_id = (NULLIF(current_setting(''recado.tenant''%')`
    expect(await names(`${tables} and not (${hasTenant} and ${walled}) and ${may('select')} order by 1`)).toEqual([
      'es.checkpoints',
      'es.generations',
      'es.log_home',
      'es.migrations',
    ])
    expect(await names(`${tables} and not (${hasTenant} and ${walled}) and ${may('insert, update, delete, truncate')}`)).toEqual([])
    const open = `select format('%s on %s', p.polname, p.polrelid::regclass) as name from pg_policy p
      where (0 = any (p.polroles) or 'recado_api'::regrole = any (p.polroles)) and pg_get_expr(p.polqual, p.polrelid) not like '%recado.tenant%'`
    expect(await names(open)).toEqual([])
  })

  it('lets neither role own a thing, skip the walls, or borrow the owner’s rights', async () => {
    const roles = `('recado_api'::regrole, 'recado_worker'::regrole)`
    expect(await names(`select c.oid::regclass::text as name from pg_class c where c.relowner in ${roles}`)).toEqual([])
    expect(await names(`select nspname as name from pg_namespace where nspowner in ${roles}`)).toEqual([])
    expect(
      await names(
        `select rolname as name from pg_roles where oid in ${roles} and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolcanlogin)`,
      ),
    ).toEqual([])
    const borrowed = `select p.oid::regprocedure::text as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema') and has_function_privilege('recado_api', p.oid, 'execute')`
    // Those that tell a position of a moment, of the tenant whose wall the caller stands behind: they take no tenant, so they can be asked of no other.
    expect((await names(borrowed)).toSorted()).toEqual([
      'es.place_at(timestamp with time zone)',
      'es.place_through(bigint)',
      'es.position_at(timestamp with time zone)',
      'es.position_through(bigint)',
    ])
  })

  it('has the tenant first in the primary key of every such table but the log, whose key is the position, and the list of rebuilds, which is the operator’s', async () => {
    const otherwise = `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_index i on i.indrelid = c.oid and i.indisprimary
      join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
      where ${ours} and ${hasTenant} and not c.relispartition and a.attname <> 'tenant_id'`
    expect((await names(otherwise)).toSorted()).toEqual(['es.events', 'es.rebuilds'])
  })
})
