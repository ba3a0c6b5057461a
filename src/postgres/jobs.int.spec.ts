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

const add = (...jobs: { task: string; key: string; payload: object; owner?: string }[]) => inTransaction(worker, (client) => addJobs(client, jobs))
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
  it('of one owner do not hold up those of others, however many they are and however long they take', async () => {
    const gates = new Map<string, PromiseWithResolvers<void>>()
    const begun: string[] = []
    const slow: Task = async (payload, { signal }) => {
      const { name } = payload as { name: string }
      begun.push(name)
      const gate = Promise.withResolvers<void>()
      gates.set(name, gate)
      signal.addEventListener('abort', () => gate.resolve())
      await gate.promise
    }
    const jobsOf = (owner: string, count: number) =>
      Array.from({ length: count }, (_, n) => ({ task: 'slow', key: `${owner}${n}`, payload: { name: `${owner}${n}` }, owner }))
    await add(...jobsOf('ana', 6))
    await add(...jobsOf('bea', 3), ...jobsOf('cal', 1))
    await running({ slow }, async () => {
      // One of Ana's has one place for as long as it takes; the other place goes round.
      const turn = async (nth: number): Promise<string> => {
        await expect.poll(() => begun.length).toBe(nth + 1)
        gates.get(begun[nth] ?? '')?.resolve()
        return begun[nth]?.slice(0, 3) ?? ''
      }
      await expect.poll(() => begun[0]).toMatch(/^ana/)
      expect([await turn(1), await turn(2)].toSorted()).toEqual(['bea', 'cal'])
      expect([await turn(3), await turn(4)]).toEqual(['bea', 'bea'])
      await worker.query('delete from graphile_worker._private_jobs where locked_at is null')
      for (const { resolve } of gates.values()) resolve()
      await expect.poll(left).toEqual([])
    })
  })
  it('that a killed process left locked are run by the next one', async () => {
    const seen: unknown[] = []
    await add({ task: 'note', key: 'locked', payload: { n: 3 } })
    await worker.query(`update graphile_worker._private_jobs set locked_at = now(), locked_by = 'worker-of-a-dead-process'`)
    await running({ note: async (payload) => void seen.push(payload) }, () => expect.poll(left).toEqual([]))
    expect(seen).toEqual([{ n: 3 }])
  })
})
