import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, QueryConfig } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../tests/support/database.ts'
import { positionOf, start } from '../domain/kernel/position.ts'
import { acquireLease, checkpointOf, checkpointStatement, holdLease, isLeaseLost, LeaseLost, releaseLease, renewLease, type Lease } from './lease.ts'
import { createPool } from './pool.ts'
import { inOneFlight } from './transaction.ts'

describe('a lease with a fencing token', () => {
  let home: TestDatabase
  let pool: Pool
  let made = 0
  const fresh = (): string => `lease_${++made}`
  const taken = async (name: string, owner: string, ttlMs = 60_000): Promise<Lease> => {
    const lease = await acquireLease(pool, { name, owner, ttlMs })
    if (lease === undefined) throw new Error(`${owner} was denied ${name}`)
    return lease
  }
  const advance = (lease: Lease, from: number, to: number): Promise<unknown> =>
    inOneFlight(pool, [checkpointStatement({ name: lease.name, token: lease.token, from: positionOf(from), to: positionOf(to) })])

  beforeAll(async () => {
    home = await freshDatabase()
    pool = createPool({ url: home.url, role: 'recado_worker', max: 10, name: 'lease test' })
  })
  afterAll(async () => {
    await pool.end()
    await home.drop()
  })

  it('is held by one of many who ask at once', async () => {
    const name = fresh()
    const asked = await Promise.all(Array.from({ length: 20 }, (_, n) => acquireLease(pool, { name, owner: `owner ${n}`, ttlMs: 60_000 })))
    expect(asked.filter((lease) => lease !== undefined)).toHaveLength(1)
  })

  it('starts before the first event and remembers how far it came over its holders', async () => {
    const name = fresh()
    expect(await checkpointOf(pool, name)).toBeUndefined()
    const first = await taken(name, 'a')
    expect(first.position).toBe(start)
    await advance(first, 0, 7)
    await releaseLease(pool, first)
    const second = await taken(name, 'b')
    expect(second.position).toBe(positionOf(7))
    expect(BigInt(second.token)).toBeGreaterThan(BigInt(first.token))
    expect(await checkpointOf(pool, name)).toBe(positionOf(7))
  })

  it('passes to another one when it lapses, and the sleeper can neither renew nor write', async () => {
    const name = fresh()
    const sleeper = await taken(name, 'sleeper', 50)
    await sleep(120)
    const next = await taken(name, 'next')
    expect(await renewLease(pool, sleeper, 60_000)).toBe('lost')
    const late = await advance(sleeper, 0, 5).catch((error: unknown) => error)
    expect(isLeaseLost(late)).toBe(true)
    await releaseLease(pool, sleeper)
    expect(await renewLease(pool, next, 60_000)).toBe('held')
    await advance(next, 0, 5)
  })

  it.each([
    // Five and a half seconds when it is counted from the answer.
    ['from when it was asked for, however late the answer came', { answeredAfterMs: 2_500, goneWithinMs: 5_000 }],
    ['before it lapses', { answeredAfterMs: 0, goneWithinMs: 3_000 }],
  ])('is given up by our own clock when no renewal is answered: %s', async (_how, { answeredAfterMs, goneWithinMs }) => {
    const name = fresh()
    const ended = new AbortController()
    const gone = Promise.withResolvers<number>()
    let queries = 0
    const line = new Proxy(pool, {
      get(target, property) {
        if (property !== 'query') return Reflect.get(target, property) as unknown
        return async (query: QueryConfig) => {
          if (queries++ > 0) return new Promise(() => undefined)
          const answer = await target.query(query)
          await sleep(answeredAfterMs)
          return answer
        }
      },
    })
    const asked = performance.now()
    const holding = holdLease({ pool: line, name, owner: 'a', ttlMs: 3_000, signal: ended.signal, stays: true }, async (_lease, signal) => {
      while (!signal.aborted) await sleep(10)
      gone.resolve(performance.now() - asked)
      ended.abort()
      throw new LeaseLost('gone')
    })
    holding.catch(() => undefined)
    expect(await gone.promise).toBeLessThan(goneWithinMs)
  })

  it('lets one writer of a position through, and takes the rest of the losing transaction back', async () => {
    const name = fresh()
    const lease = await taken(name, 'a')
    const park = (position: number) => ({
      text: `insert into es.parked_events (tenant_id, subscription, position, stream_key, event_type, category, error)
        values ('00000000-0000-0000-0000-000000000000', $1, $2, 'key', 'type', 'failed', 'error')`,
      values: [name, position],
    })
    const step = checkpointStatement({ name, token: lease.token, from: start, to: positionOf(1) })
    const both = await Promise.allSettled([inOneFlight(pool, [step, park(1)]), inOneFlight(pool, [step, park(2)])])
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    const { rows } = await pool.query('select position from es.parked_events where subscription = $1', [name])
    expect(rows).toHaveLength(1)
  })

  it('is renewed while work goes on, and free right after the work was told to stop', async () => {
    const name = fresh()
    const stop = new AbortController()
    const changes: string[] = []
    const holding = holdLease(
      { pool, name, owner: 'a', ttlMs: 5_000, signal: stop.signal, onChange: (change) => changes.push(change) },
      async (_lease, signal) => {
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      },
    )
    const heldUntil = async (): Promise<number> => {
      const { rows } = await pool.query<{ until: Date | null }>('select lease_until as until from es.subscriptions where name = $1', [name])
      return rows[0]?.until?.getTime() ?? 0
    }
    await expect.poll(heldUntil).toBeGreaterThan(0)
    const first = await heldUntil()
    // Renewed twice at least: by then it is held beyond the time that it was taken for.
    await expect.poll(heldUntil).toBeGreaterThan(first + 2_500)
    expect(await acquireLease(pool, { name, owner: 'b', ttlMs: 60_000 })).toBeUndefined()
    stop.abort()
    await holding
    expect(changes).toEqual(['held', 'released'])
    await taken(name, 'b')
  })

  it('tells the work when another one took over, and asks again afterwards', async () => {
    const name = fresh()
    const stop = new AbortController()
    const tokens: string[] = []
    const lost: unknown[] = []
    const holding = holdLease({ pool, name, owner: 'a', ttlMs: 150, retryMs: 20, signal: stop.signal }, async (lease, signal) => {
      tokens.push(lease.token)
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      lost.push(signal.reason)
    })
    while (tokens.length === 0) await sleep(5)
    // What an administrator or a switch-over does: the old holder's token is void from now on.
    await pool.query(`update es.subscriptions set fencing_token = fencing_token + 1, owner = null, lease_until = null where name = $1`, [name])
    while (tokens.length < 2) await sleep(5)
    expect(lost[0]).toBeInstanceOf(LeaseLost)
    stop.abort()
    await holding
  })

  it('is asked for again when work finds it lost at a checkpoint', async () => {
    const name = fresh()
    const stop = new AbortController()
    let tries = 0
    await holdLease({ pool, name, owner: 'a', ttlMs: 60_000, signal: stop.signal }, async (lease) => {
      tries++
      if (tries === 1) await advance(lease, 3, 4)
      stop.abort()
    })
    expect(tries).toBe(2)
  })

  it('shows queries how far a subscription is, and nothing else of it', async () => {
    const api = createPool({ url: home.url, role: 'recado_api', max: 1, name: 'lease test api' })
    try {
      const lease = await taken(fresh(), 'a')
      expect((await api.query('select name, position from es.checkpoints where name = $1', [lease.name])).rows).toHaveLength(1)
      await expect(api.query('select fencing_token from es.subscriptions')).rejects.toThrow('permission denied')
      await expect(api.query("select es.advance('x', 1, 0, 1)")).rejects.toThrow('permission denied')
    } finally {
      await api.end()
    }
  })
})
