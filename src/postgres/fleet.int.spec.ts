import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Pool } from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../tests/support/database.ts'
import { relayedPostgres } from '../../tests/support/fault-relay.ts'
import { joinFleet } from './fleet.ts'
import { holdLease } from './lease.ts'
import { pause } from './pause.ts'
import { createPool } from './pool.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await freshDatabase()
})
afterAll(async () => database.drop())

const names = ['heavy-1', 'heavy-2', 'light-1', 'light-2', 'light-3', 'light-4']
const groups = [['heavy-']]

/** Who works under which lease now, in all processes of a test. */
type Work = { readonly held: Map<string, string>; readonly doubled: string[] }

async function startProcess(owner: string, { held, doubled }: Work, { ttlMs = 1_500, url = database.url } = {}) {
  const pool: Pool = createPool({ url, role: 'recado_worker', max: 4, name: owner })
  const ended = new AbortController()
  const leases = names.map(async (name) =>
    holdLease({ pool, name, owner, ttlMs, signal: ended.signal }, async (_lease, signal) => {
      if (held.has(name)) doubled.push(`${name}: ${held.get(name)} and ${owner}`)
      held.set(name, owner)
      while (!signal.aborted) await pause(1_000, signal)
      if (held.get(name) === owner) held.delete(name)
    }),
  )
  const fleet = await joinFleet({
    pool,
    owner,
    roles: ['worker'],
    groups,
    onError: (error) => {
      if (url === database.url) expect.unreachable(String(error))
    },
    everyMs: 100,
    countsMs: 2_000,
  })
  const count = (prefix = ''): number => [...held].filter(([name, holder]) => holder === owner && name.startsWith(prefix)).length
  return {
    fleet,
    count,
    async stop() {
      await fleet.leave()
      ended.abort()
      await Promise.all(leases)
      await fleet.close()
      await pool.end()
    },
    /** Gone from one moment to the next: nothing is released, nobody is told. */
    async die() {
      await pool.end()
      ended.abort()
      await Promise.all(leases)
      for (const [name, holder] of held) if (holder === owner) held.delete(name)
    },
  }
}

it('shares leases out when a process comes, hands them over when it goes, and never has two holders of one', async () => {
  const work: Work = { held: new Map(), doubled: [] }
  const a = await startProcess('a', work)
  await expect.poll(() => a.count()).toBe(6)
  const b = await startProcess('b', work)
  await expect.poll(() => [b.count('heavy-'), b.count('light-'), work.held.size]).toEqual([1, 2, 6])
  expect(a.fleet.members().map(({ owner }) => owner)).toEqual(['a', 'b'])

  // The first one goes, who made the plans: the second one has everything, and a third one gets its part from it.
  await a.stop()
  await expect.poll(() => b.count()).toBe(6)
  const c = await startProcess('c', work)
  await expect.poll(() => [c.count('heavy-'), c.count('light-')]).toEqual([1, 2])
  expect(work.doubled).toEqual([])
  await b.stop()
  await c.stop()
})

it('finds new holders for what a dead process held', async () => {
  const work: Work = { held: new Map(), doubled: [] }
  const lasting = await startProcess('lasting', work)
  const dying = await startProcess('dying', work)
  await expect.poll(() => [dying.count(), work.held.size]).toEqual([3, 6])
  // Its own complaints about its broken pool are no matter here.
  dying.fleet.close().catch(() => undefined)
  await dying.die()
  await expect.poll(() => lasting.count()).toBe(6)
  expect(work.doubled).toEqual([])
  await lasting.stop()
})

it('has no two holders of a lease when a process is cut off from the database, and shares again when it is back', async () => {
  const { relay, url } = await relayedPostgres(database.url)
  const work: Work = { held: new Map(), doubled: [] }
  const steady = await startProcess('steady', work)
  const cut = await startProcess('cut off', work, { url })
  await expect.poll(() => [cut.count(), work.held.size]).toEqual([3, 6])
  relay.blackHole()
  // By its own clock it knows that it has nothing any more, before the database's lets anybody else have it.
  await expect.poll(() => steady.count()).toBe(6)
  relay.heal()
  await expect.poll(() => [cut.count(), work.held.size]).toEqual([3, 6])
  expect(work.doubled).toEqual([])
  await Promise.all([steady.stop(), cut.stop()])
  await relay.close()
})

it('leaves what a process that is not there was meant to have to whoever comes', async () => {
  const pool = createPool({ url: database.url, role: 'recado_worker', max: 2, name: 'setup' })
  await pool.query(`insert into es.subscriptions (name, assigned_to) values ('heavy-9', 'a ghost')`)
  const ended = new AbortController()
  await holdLease({ pool, name: 'heavy-9', owner: 'somebody', ttlMs: 1_000, signal: ended.signal }, async () => ended.abort())
  await pool.end()
})

it('takes over at once what a process of the same machine held that is not running any more', async () => {
  const pool = createPool({ url: database.url, role: 'recado_worker', max: 4, name: 'machine' })
  const gone = spawn(process.execPath, ['-e', ''])
  await once(gone, 'exit')
  const ended = new AbortController()
  const { machine } = await import('./machine.ts')
  expect(machine).toEqual(expect.any(String))
  // Leases for an hour: whoever waits for them to lapse does not end in time.
  await pool.query(
    `insert into es.subscriptions (name, owner, fencing_token, lease_until) values ('left', 'gone', 7, clock_timestamp() + interval '1 hour')`,
  )
  for (const [owner, pid, where] of [
    ['gone', gone.pid, machine],
    ['elsewhere', gone.pid, 'another machine'],
    ['alive', process.ppid, machine],
  ])
    await pool.query(
      `insert into es.members (owner, roles, runs, machine, pid, seen_until) values ($1, '{worker}', '{}', $2, $3, clock_timestamp() + interval '1 hour')`,
      [owner, where, pid],
    )
  const fleet = await joinFleet({ pool, owner: 'next', roles: [], groups: [], onError: (error) => expect.unreachable(String(error)), everyMs: 50 })
  await holdLease({ pool, name: 'left', owner: 'next', ttlMs: 60_000, signal: ended.signal }, async ({ token }) => {
    expect(token).toBe('8')
    ended.abort()
  })
  expect(fleet.members().map(({ owner }) => owner)).toEqual(['elsewhere', 'alive', 'next'])
  await fleet.close()
  await pool.query('delete from es.members')
  await pool.end()
})
