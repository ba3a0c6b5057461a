import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../tests/support/database.ts'
import { createPool, type DatabaseRole } from './pool.ts'

describe('a pool', () => {
  let db: TestDatabase

  beforeAll(async () => {
    db = await freshDatabase()
  })
  afterAll(async () => {
    await db.drop()
  })

  async function ask(url: string, role: DatabaseRole, sql: string): Promise<unknown> {
    const pool = createPool({ url, role, max: 1, name: 'test pool' })
    try {
      return (await pool.query<Record<string, unknown>>(sql)).rows[0]
    } finally {
      await pool.end()
    }
  }

  const about = `select current_user::text as role, current_setting('TimeZone') as zone, current_setting('statement_timeout') as patience, current_setting('work_mem') as memory,
    current_setting('application_name') as name, pg_is_in_recovery() as replica`

  it('takes on its role, UTC and a bound on every statement before it is used', async () => {
    expect(await ask(db.url, 'recado_api', about)).toMatchObject({ role: 'recado_api', zone: 'UTC', patience: '30s', name: 'recado test pool' })
    expect(await ask(db.url, 'recado_worker', about)).toMatchObject({ role: 'recado_worker', zone: 'UTC' })
  })

  it('keeps its role when the url brings options of its own', async () => {
    const url = new URL(db.url)
    url.searchParams.set('options', '-c work_mem=12MB')
    url.searchParams.set('application_name', 'mine')
    expect(await ask(url.href, 'recado_api', about)).toMatchObject({ role: 'recado_api', memory: '12MB', name: 'recado test pool' })
  })

  it('is refused when something in between drops its role', async () => {
    const pooler = await forgetfulPooler(db.url)
    try {
      await expect(ask(pooler.url, 'recado_api', 'select 1')).rejects.toThrow(/did not take on the role recado_api/)
      expect(await ask(pooler.url, 'owner', 'select 1 as one')).toEqual({ one: 1 })
    } finally {
      pooler.close()
    }
  })

  it('tells of an idle connection that broke, and goes on with a new one', async () => {
    const broken: string[] = []
    const pool = createPool({
      url: db.url,
      role: 'recado_worker',
      max: 1,
      name: 'test idle',
      onError: (error, name) => broken.push(`${name}: ${error.message}`),
    })
    const admin = new Client({ connectionString: db.url })
    await admin.connect()
    await pool.query('select 1')
    await admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'recado test idle'`)
    await expect.poll(() => broken).toEqual([expect.stringMatching(/^test idle: /)])
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await admin.end()
    await pool.end()
  })

  it('leaves the type parsers of the process alone', async () => {
    const client = new Client({ connectionString: db.url })
    await client.connect()
    const { rows } = await client.query<{ day: unknown }>(`select date '2026-01-01' as day`)
    await client.end()
    expect(rows[0]?.day).toBeInstanceOf(Date)
    expect(await ask(db.url, 'recado_api', `select date '2026-01-01' as day`)).toEqual({ day: '2026-01-01' })
  })
})

/** Hands everything on to the server, except the role that a connection asks for: as a connection pooler does that ignores startup options. */
async function forgetfulPooler(url: string): Promise<{ url: string; close: () => void }> {
  const target = new URL(url)
  const folder = target.searchParams.get('host')
  const sockets: Socket[] = []
  const server: Server = createServer((client) => {
    const upstream =
      folder === null ? connect(Number(target.port || '5432'), target.hostname) : connect(`${folder}/.s.PGSQL.${target.port || '5432'}`)
    sockets.push(client, upstream)
    client.once('data', (startup) => {
      const asked = '-c role=recado_api'
      upstream.write(Buffer.from(startup.toString('latin1').replace(asked, ' '.repeat(asked.length)), 'latin1'))
      client.pipe(upstream)
    })
    upstream.pipe(client)
    for (const socket of [client, upstream]) socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String((server.address() as AddressInfo).port)
  through.searchParams.delete('host')
  through.searchParams.set('sslmode', 'disable')
  return {
    url: through.href,
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
