import { createHash } from 'node:crypto'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseUrl, freshDatabase, type TestDatabase } from '../../tests/support/database.ts'
import { migrate, MigrationRefused, readMigrations, type Migration } from './migrate.ts'

const file = (name: string, sql: string): Migration => ({ name, sql, sha256: createHash('sha256').update(sql).digest('hex') })

describe('migrating a database', () => {
  let home: TestDatabase
  let admin: Client
  let real: readonly Migration[]
  let made = 0

  /** An empty database beside the migrated one. */
  async function emptyDatabase(): Promise<string> {
    const name = `${new URL(home.url).pathname.slice(1)}_${++made}`
    await admin.query(`create database ${name}`)
    return databaseUrl(home.url, name)
  }

  async function rows(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
    const client = new Client({ connectionString: url })
    await client.connect()
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows
    } finally {
      await client.end()
    }
  }

  beforeAll(async () => {
    home = await freshDatabase()
    admin = new Client({ connectionString: home.url })
    await admin.connect()
    real = await readMigrations()
  })

  afterAll(async () => {
    for (let n = made; n > 0; n--) await admin.query(`drop database ${new URL(home.url).pathname.slice(1)}_${n} with (force)`)
    await admin.end()
    await home.drop()
  })

  it('applies every file once, and finds nothing to do the second time', async () => {
    const url = await emptyDatabase()
    expect(await migrate({ url })).toEqual({ applied: real.map(({ name }) => name) })
    expect(await migrate({ url })).toEqual({ applied: [] })
    expect(await rows(url, 'select name from es.migrations order by name')).toEqual(real.map(({ name }) => ({ name })))
  })

  it('is safe when several processes start at once', async () => {
    const url = await emptyDatabase()
    const counted = [...real, file('9000_once', 'create table public.once (); select pg_sleep(0.1)')]
    const all = await Promise.all(Array.from({ length: 6 }, () => migrate({ url, migrations: counted })))
    expect(all.flatMap(({ applied }) => applied).filter((name) => name === '9000_once')).toHaveLength(1)
    expect(await rows(url, 'select count(*)::int as n from es.migrations')).toEqual([{ n: counted.length }])
  })

  it('leaves nothing of a file that fails, and goes on from there once it is mended', async () => {
    const url = await emptyDatabase()
    const broken = file('9000_broken', 'create table public.half (); select nonsense()')
    await expect(migrate({ url, migrations: [...real, broken] })).rejects.toThrow(/9000_broken failed and left nothing behind: .*nonsense/)
    expect(await rows(url, "select to_regclass('public.half') as half")).toEqual([{ half: null }])
    const mended = file('9000_broken', 'create table public.half ()')
    expect(await migrate({ url, migrations: [...real, mended] })).toEqual({ applied: ['9000_broken'] })
  })

  it('refuses history that was edited, inserted in between, or made by a newer version', async () => {
    const url = await emptyDatabase()
    const first = file('9000_first', 'select 1')
    await migrate({ url, migrations: [...real, first] })
    await expect(migrate({ url, migrations: [...real, file('9000_first', 'select 2')] })).rejects.toThrow(/"9000_first" was edited/)
    await expect(migrate({ url, migrations: [...real, file('8999_late', 'select 1'), first] })).rejects.toThrow(
      /"8999_late" stands where the database has "9000_first"/,
    )
    await expect(migrate({ url, migrations: real })).rejects.toThrow(/a newer Recado/)
  })

  it('says what an administrator has to do when the user may not create the roles', async () => {
    const user = `plain_${new URL(home.url).pathname.slice(-12)}`
    const url = await emptyDatabase()
    const base = new URL(url).pathname.slice(1)
    await admin.query(`create role ${user} login password 'told-to-the-test'`)
    await admin.query(`alter database ${base} owner to ${user}`)
    const theirs = new URL(url)
    theirs.username = user
    theirs.password = 'told-to-the-test'
    try {
      // The roles belong to the whole server and exist by now: what this user lacks is to be a member of them.
      await expect(migrate({ url: theirs.href })).rejects.toThrow(
        new RegExp(`^The user "${user}" of DATABASE_URL .*grant recado_api, recado_worker to "?${user}"?;`),
      )
      await expect(migrate({ url: theirs.href })).rejects.toBeInstanceOf(MigrationRefused)
      await admin.query(`grant recado_api, recado_worker to ${user}`)
      expect(await migrate({ url: theirs.href })).toEqual({ applied: real.map(({ name }) => name) })
    } finally {
      await admin.query(`alter database ${base} owner to current_user`)
      const theirClient = new Client({ connectionString: url })
      await theirClient.connect()
      await theirClient.query(`reassign owned by ${user} to current_user; drop owned by ${user}`)
      await theirClient.end()
      await admin.query(`drop role ${user}`)
    }
  })
})
