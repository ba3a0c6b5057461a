import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../tests/support/database.ts'
import { createPool } from './pool.ts'
import { queryBuilder, tenantQueries } from './queries.ts'
import { inOneFlight, inTenant, inTransaction } from './transaction.ts'

const anna = '0a000000-0000-4000-8000-000000000001'
const bert = '0b000000-0000-4000-8000-000000000002'
const nobody = '0c000000-0000-4000-8000-000000000003'

describe('the wall between tenants', () => {
  let db: TestDatabase
  let owner: Pool
  let worker: Pool
  let api: Pool

  beforeAll(async () => {
    db = await freshDatabase()
    owner = createPool({ url: db.url, role: 'owner', max: 1, name: 'test owner' })
    worker = createPool({ url: db.url, role: 'recado_worker', max: 2, name: 'test worker' })
    // One connection: whatever a query leaves behind on it, the next one meets.
    api = createPool({ url: db.url, role: 'recado_api', max: 1, name: 'test api' })
    await owner.query(`
      create schema yard;
      create table yard.notes (tenant_id uuid, id int, note text not null, at timestamptz default '2026-01-01T12:00:00Z', day date default '2026-01-01', big int8 default 9007199254740993,
        extra json default '{"a":1}', primary key (tenant_id, id));
      alter table yard.notes enable row level security;
      create policy tenant_wall on yard.notes to recado_api using (tenant_id = nullif(current_setting('recado.tenant', true), '')::uuid);
      create policy worker_all on yard.notes to recado_worker using (true) with check (true);
      grant usage on schema yard to recado_api, recado_worker;
      grant select, insert, update on yard.notes to recado_api, recado_worker`)
    await worker.query(`insert into yard.notes (tenant_id, id, note) values ($1, 1, 'of anna'), ($2, 1, 'of bert')`, [anna, bert])
  })

  afterAll(async () => {
    await Promise.all([owner.end(), worker.end(), api.end()])
    await db.drop()
  })

  const notes = async (tenant: string): Promise<string[]> =>
    (await inTenant<{ note: string }>(api, tenant, 'select note from yard.notes order by note')).map(({ note }) => note)
  const bare = async (): Promise<unknown[]> => (await api.query<{ note: string }>('select note from yard.notes')).rows

  it('shows no row to a query without a tenant', async () => {
    expect(await bare()).toEqual([])
  })

  it('shows every tenant its own rows only, whichever connection it gets', async () => {
    expect(await Promise.all([notes(anna), notes(bert), notes(nobody), notes(anna)])).toEqual([['of anna'], ['of bert'], [], ['of anna']])
    expect(await bare()).toEqual([])
  })

  it('refuses to write into another tenant', async () => {
    await expect(inTenant(api, anna, `insert into yard.notes (tenant_id, id, note) values ($1, 9, 'smuggled')`, [bert])).rejects.toThrow(
      /row-level security/,
    )
    expect(await inTenant(api, anna, `update yard.notes set note = 'defaced' where tenant_id = $1 returning id`, [bert])).toEqual([])
    expect(await notes(bert)).toEqual(['of bert'])
  })

  it('keeps what a query wrote, and nothing of one that failed', async () => {
    await inTenant(api, anna, `insert into yard.notes (tenant_id, id, note) values ($1, 2, 'second')`, [anna])
    await expect(
      inTenant(api, anna, `insert into yard.notes (tenant_id, id, note) values ($1, 3, 'third'), ($1, 2, 'twice')`, [anna]),
    ).rejects.toThrow(/duplicate key/)
    expect(await notes(anna)).toEqual(['of anna', 'second'])
  })

  it('gives the connection back usable and without a tenant after a query that failed', async () => {
    const backend = async (): Promise<unknown> => (await api.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]
    const before = await backend()
    await expect(inTenant(api, anna, 'select nonsense')).rejects.toThrow(/nonsense/)
    await expect(inTenant(api, anna, 'select 1/0')).rejects.toThrow(/division by zero/)
    expect(await backend()).toEqual(before)
    expect(await bare()).toEqual([])
    expect((await api.query<{ tenant: string }>(`select coalesce(current_setting('recado.tenant', true), '') as tenant`)).rows).toEqual([
      { tenant: '' },
    ])
    expect(await notes(anna)).toContain('of anna')
  })

  it('replaces a connection on which a value could not be encoded', async () => {
    const endless: Record<string, unknown> = {}
    endless['self'] = endless
    await expect(inTenant(api, anna, 'select $1::json', [endless])).rejects.toThrow(/circular/i)
    expect(await notes(bert)).toEqual(['of bert'])
  })

  it('does not take anything but a uuid for a tenant', async () => {
    await expect(inTenant(api, `${anna}'; set role recado_worker; --`, 'select 1')).rejects.toThrow('a tenant id is a uuid')
  })

  it('runs what Kysely composed behind the same wall', async () => {
    const db = queryBuilder<{ 'yard.notes': { tenant_id: string; id: number; note: string } }>()
    const found = await tenantQueries(api).run(bert, db.selectFrom('yard.notes').select(['id', 'note']).where('note', 'like', '%of%').compile())
    expect(found).toEqual([{ id: 1, note: 'of bert' }])
  })

  it('is given values as they are meant: int8 as text, moments as Date, days as text, json parsed', async () => {
    expect(await inTenant(api, bert, 'select big, at, day, extra from yard.notes')).toEqual([
      { big: '9007199254740993', at: new Date('2026-01-01T12:00:00Z'), day: '2026-01-01', extra: { a: 1 } },
    ])
  })

  it('survives that its connections are cut, in use and idle', async () => {
    const busy = inTenant(api, anna, 'select pg_sleep(30)').then(
      () => 'answered',
      (error: unknown) => (error instanceof Error ? error.message : 'failed'),
    )
    const cut = `select pg_terminate_backend(pid) as cut from pg_stat_activity where application_name = 'recado test api'`
    await expect
      .poll(
        async () =>
          (await owner.query(`select from pg_stat_activity where application_name = 'recado test api' and query like '%pg_sleep%'`)).rowCount,
      )
      .toBe(1)
    await owner.query(cut)
    expect(await busy).toMatch(/terminat/)
    expect(await notes(bert)).toEqual(['of bert'])
    await owner.query(cut)
    await expect.poll(() => notes(bert).catch(() => 'not yet')).toEqual(['of bert'])
  })
})

describe('a transaction of a worker', () => {
  let db: TestDatabase
  let worker: Pool

  beforeAll(async () => {
    db = await freshDatabase()
    const owner = createPool({ url: db.url, role: 'owner', max: 1, name: 'test owner' })
    await owner.query(
      'create schema yard; create table yard.counts (n int); grant usage on schema yard to recado_worker; grant select, insert on yard.counts to recado_worker',
    )
    await owner.end()
    worker = createPool({ url: db.url, role: 'recado_worker', max: 1, name: 'test worker' })
  })

  afterAll(async () => {
    await worker.end()
    await db.drop()
  })

  const counts = async (): Promise<number[]> => (await worker.query<{ n: number }>('select n from yard.counts order by n')).rows.map(({ n }) => n)

  it('commits what the work did, also when its statements went in one flight', async () => {
    const answer = await inTransaction(worker, async (client) => {
      await Promise.all([client.query('insert into yard.counts values (1)'), client.query('insert into yard.counts values (2)')])
      return 'done'
    })
    expect(answer).toBe('done')
    expect(await counts()).toEqual([1, 2])
  })

  it('leaves nothing when the work throws, and keeps the connection', async () => {
    const pid = async (): Promise<unknown> => (await worker.query('select pg_backend_pid()')).rows[0]
    const before = await pid()
    await expect(
      inTransaction(worker, async (client) => {
        await client.query('insert into yard.counts values (3)')
        throw new Error('changed my mind')
      }),
    ).rejects.toThrow('changed my mind')
    await expect(
      inTransaction(worker, (client) =>
        Promise.all([client.query('insert into yard.counts values (4)'), client.query('select 1/0'), client.query('select 1')]),
      ),
    ).rejects.toThrow(/division by zero/)
    expect(await counts()).toEqual([1, 2])
    expect(await pid()).toEqual(before)
  })

  it('leaves nothing when one statement of a flight could not even be sent', async () => {
    await expect(
      inTransaction(worker, (client) =>
        Promise.all([client.query('insert into yard.counts values (5)'), client.query('select $1::json', [{ big: 1n }])]),
      ),
    ).rejects.toThrow(/BigInt/)
    expect(await counts()).toEqual([1, 2])
  })

  it('does all statements of a flight or none', async () => {
    const insert = (n: number): { text: string; values: number[] } => ({ text: 'insert into yard.counts values ($1) returning n', values: [n] })
    expect((await inOneFlight(worker, [insert(10), insert(11)])).map(({ rowCount }) => rowCount)).toEqual([1, 1])
    await expect(inOneFlight(worker, [insert(12), { text: 'select 1/0' }, insert(13)])).rejects.toThrow(/division by zero/)
    expect(await counts()).toEqual([1, 2, 10, 11])
  })

  it('does not sit in the database as the owner of anything', async () => {
    expect((await worker.query('select current_user::text as me')).rows).toEqual([{ me: 'recado_worker' }])
    await expect(worker.query('create table public.mine ()')).rejects.toThrow(/permission denied/)
  })
})
