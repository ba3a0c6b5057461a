import { pino } from 'pino'
import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../tests/support/database.ts'
import { addJobs, hurryJobs, prepareJobs, runJobs, type Task } from './jobs.ts'
import { createPool } from './pool.ts'
import { inTransaction } from './transaction.ts'

let db: TestDatabase
let worker: Pool
let owner: Pool

beforeAll(async () => {
  db = await freshDatabase()
  worker = createPool({ url: db.url, role: 'recado_worker', max: 6, name: 'jobs test' })
  owner = createPool({ url: db.url, role: 'owner', max: 2, name: 'jobs owner' })
  await Promise.all([prepareJobs(owner), prepareJobs(owner)])
})
afterAll(async () => {
  await Promise.all([worker.end(), owner.end()])
  await db.drop()
})

const add = (...jobs: { task: string; key: string; payload: object }[]) => inTransaction(worker, (client) => addJobs(client, jobs))
const left = async (): Promise<string[]> => {
  const { rows } = await worker.query<{ key: string }>('select key from graphile_worker._private_jobs order by id')
  return rows.map(({ key }) => key)
}

/** Runs jobs while `work` goes on. */
async function running<T>(tasks: Record<string, Task>, work: () => Promise<T>): Promise<T> {
  const stop = new AbortController()
  const runner = runJobs({ pool: worker, tasks, concurrency: 2, log: pino({ level: 'silent' }), pollMs: 100 }, stop.signal)
  try {
    return await work()
  } finally {
    stop.abort()
    await runner
  }
}

describe('jobs, under the restricted role', () => {
  it('run once and are gone', async () => {
    const seen: unknown[] = []
    await add(
      { task: 'note', key: 'a', payload: { n: 1 } },
      { task: 'note', key: 'a', payload: { n: 1 } },
      { task: 'note', key: 'b', payload: { n: 2 } },
    )
    await running({ note: async (payload) => void seen.push(payload) }, () => expect.poll(left).toEqual([]))
    expect(seen).toHaveLength(2)
    expect(seen).toEqual(expect.arrayContaining([{ n: 1 }, { n: 2 }]))
  })
  it('do not exist when the transaction that asked for them is rolled back', async () => {
    const refused = inTransaction(worker, async (client) => {
      await addJobs(client, [{ task: 'note', key: 'never', payload: {} }])
      throw new Error('rolled back')
    })
    await expect(refused).rejects.toThrow('rolled back')
    expect(await left()).toEqual([])
  })
  it('that failed wait, and come at once when they are hurried', async () => {
    let tries = 0
    const fails: Task = async () => {
      if (++tries === 1) throw new Error('not yet')
    }
    await add({ task: 'fails', key: 'media:x:1', payload: {} })
    await running({ fails }, () => expect.poll(() => tries).toBe(1))
    await worker.query(`update graphile_worker._private_jobs set run_at = now() + interval '1 hour'`)
    expect(await hurryJobs(worker, 'media:y:')).toBe(0)
    expect(await hurryJobs(worker, 'media:x:')).toBe(1)
    await running({ fails }, () => expect.poll(left).toEqual([]))
    expect(tries).toBe(2)
  })
  it('that a killed process left locked are run by the next one', async () => {
    const seen: unknown[] = []
    await add({ task: 'note', key: 'locked', payload: { n: 3 } })
    await worker.query(`update graphile_worker._private_jobs set locked_at = now(), locked_by = 'worker-of-a-dead-process'`)
    await running({ note: async (payload) => void seen.push(payload) }, () => expect.poll(left).toEqual([]))
    expect(seen).toEqual([{ n: 3 }])
  })
})
