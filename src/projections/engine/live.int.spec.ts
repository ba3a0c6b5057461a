import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { indexOf, scanOf } from '../../../tests/support/scan.ts'
import { createMemoryEventStore } from '../../adapters/event-store/memory/event-store.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { derivedId } from '../../domain/kernel/ids.ts'
import { positionOf, type Position } from '../../domain/kernel/position.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { checkpointOf } from '../../postgres/lease.ts'
import { createPool } from '../../postgres/pool.ts'
import { createAppliedPositions } from './applied-positions.ts'
import { generationOf, prepareReadModels } from './generations.ts'
import { runRebuilds } from './run-rebuilds.ts'
import { runProjection, type RunProjection } from './live.ts'
import { schemaOf, subscriptionOf, tableOf } from './naming.ts'
import type { EventsOf, Projection } from './projection.ts'

const acme = '0197c0de-0000-7000-8000-00000000000a'
const bolt = '0197c0de-0000-7000-8000-00000000000b'

type CountRow = { readonly id: string; readonly started: number; readonly last: string; readonly due: Date | null; readonly note: string | null }
type Handled = EventsOf<'ConversationStarted' | 'ConversationSnoozed' | 'ConversationResolved'>

/** Counts the snoozes of each conversation. `poison` breaks the fold, `{` is JSON that only PostgreSQL refuses: it breaks the page. */
const counting = (name: string, version = 1): Projection<CountRow, Handled> => ({
  name,
  version,
  handles: ['ConversationStarted', 'ConversationSnoozed', 'ConversationResolved'],
  creates: ['ConversationStarted'],
  table: { columns: { id: 'text', started: 'int4', last: 'int8', due: 'timestamptz', note: 'json' }, indexes: [{ name: 'by_last', on: 'last' }] },
  key: (_event, at) => at.stream.id,
  fold(row, event, at) {
    if (event.type === 'ConversationResolved') return 'delete'
    if (event.type === 'ConversationSnoozed' && event.until === 'poison') throw new Error('poison')
    const note = event.type === 'ConversationSnoozed' && event.until === '{' ? '{' : null
    const due = event.type === 'ConversationSnoozed' && note === null ? new Date(event.until) : null
    return { id: at.stream.id, started: (row?.started ?? 0) + version, last: BigInt(at.position).toString(), due, note }
  },
})

describe('the live writer of a read model', () => {
  let home: TestDatabase
  let pool: Pool
  let ownerPool: Pool
  let copyPool: Pool
  let apiPool: Pool
  let store: EventStore
  let stop: AbortController
  let running: Promise<void>[]
  let made = 0
  const versions = new Map<string, number>()
  const log = pino({ level: 'silent' })

  beforeAll(async () => {
    home = await freshDatabase()
    pool = createPool({ url: home.url, role: 'recado_worker', max: 10, name: 'worker' })
    ownerPool = createPool({ url: home.url, role: 'owner', max: 3, name: 'owner' })
    copyPool = createPool({ url: home.url, role: 'owner', max: 6, name: 'copy', pipeline: false, statementTimeoutMs: 0 })
    apiPool = createPool({ url: home.url, role: 'recado_api', max: 3, name: 'api' })
  })
  afterAll(async () => {
    await Promise.all([pool.end(), ownerPool.end(), copyPool.end(), apiPool.end()])
    await home.drop()
  })
  beforeEach(() => {
    store = createMemoryEventStore()
    versions.clear()
    stop = new AbortController()
    running = []
    made++
  })
  afterEach(async () => {
    stop.abort()
    await Promise.all(running)
    await store.close()
  })

  async function append(id: string, event: { type: string; until?: string }, tenantId = acme): Promise<Position> {
    const stream = streamRef('conversation', tenantId, id)
    const { type, ...data } = event
    const version = (versions.get(`${tenantId}${id}`) ?? 0) + 1
    versions.set(`${tenantId}${id}`, version)
    const meta = { occurredAt: '2026-01-01T00:00:00Z', correlationId: 'c', causationId: 'c', actor: { kind: 'process', id: 'test' } } as const
    const result = await store.append({
      stream,
      expected: 'any',
      events: [{ id: derivedId(String(made), tenantId, id, String(version)), type, schemaVersion: 1, data, meta }],
    })
    if (result.outcome !== 'appended') throw new Error(result.outcome)
    return result.position
  }
  const snoozed = (id: string, until = '2026-02-01T00:00:00Z', tenantId = acme): Promise<Position> =>
    append(id, { type: 'ConversationSnoozed', until }, tenantId)

  function run(projection: Projection, more: Partial<RunProjection> = {}) {
    const applied = createAppliedPositions({ projections: [projection], pool, store })
    const options = {
      projection,
      store,
      pool,
      ownerPool,
      owner: `owner ${Math.random()}`,
      signal: stop.signal,
      log,
      onApplied: applied.report,
      ...more,
    }
    running.push(runProjection(options))
    return applied
  }
  /** What a process with workers does beside its live writers. */
  function runRebuildsOf(projections: readonly Projection[], signal = stop.signal): void {
    const copying = { store, scan: scanOf(store), index: indexOf(store), pool, copyPool }
    running.push(runRebuilds({ ...copying, projections, owner: `owner ${Math.random()}`, signal, log, pollMs: 20 }))
  }
  async function untilLive(projection: Projection): Promise<void> {
    for (const deadline = Date.now() + 40_000; (await generationOf(pool, projection))?.state !== 'live'; await sleep(20)) {
      if (Date.now() > deadline) throw new Error(`${subscriptionOf(projection)} did not go live`)
    }
  }
  async function rowsOf(projection: Projection, from: Pool = pool) {
    const { rows } = await from.query<{ tenant_id: string; id: string; started: number; last: string }>(
      `select tenant_id, id, started, last from ${schemaOf(projection)}.${tableOf(projection)} order by tenant_id, id`,
    )
    return rows
  }
  const parkedOf = async (projection: Projection) =>
    (
      await pool.query<{ position: string; stream_key: string; category: string; error: string }>(
        `select position, stream_key, category, error from es.parked_events where subscription = $1 order by position`,
        [subscriptionOf(projection)],
      )
    ).rows

  it('knows a row of the page before also where it keeps none in memory', async () => {
    const projection: Projection = { ...counting('settled'), settled: () => true }
    await append('a', { type: 'ConversationStarted' })
    for (let n = 0; n < 30; n++) await snoozed('a')
    await append('b', { type: 'ConversationStarted' })
    await append('b', { type: 'ConversationResolved' })
    const last = await snoozed('b')
    const applied = run(projection, { pageSize: 1 })
    expect(await applied.waitFor(['settled'], last, 40_000)).toBe(true)
    expect(await rowsOf(projection)).toEqual([
      { tenant_id: acme, id: 'a', started: 31, last: '31' },
      { tenant_id: acme, id: 'b', started: 1, last: '34' },
    ])
  })

  it('shows what happened before it was started and what happens after', async () => {
    const projection = counting('shows')
    await append('a', { type: 'ConversationStarted' })
    const applied = run(projection)
    await append('b', { type: 'ConversationStarted' })
    await snoozed('a')
    const last = await snoozed('a')
    expect(await applied.waitFor(['shows'], last, 40_000)).toBe(true)
    expect(await rowsOf(projection)).toEqual([
      { tenant_id: acme, id: 'a', started: 3, last: '4' },
      { tenant_id: acme, id: 'b', started: 1, last: '2' },
    ])
  })

  it('removes a row and makes it anew', async () => {
    const projection = counting('removes')
    const applied = run(projection)
    await append('a', { type: 'ConversationStarted' })
    await append('b', { type: 'ConversationStarted' })
    await append('a', { type: 'ConversationResolved' })
    expect(await applied.waitFor(['removes'], await snoozed('b'), 40_000)).toBe(true)
    expect((await rowsOf(projection)).map(({ id }) => id)).toEqual(['b'])
    expect(await applied.waitFor(['removes'], await snoozed('a'), 40_000)).toBe(true)
    expect(await rowsOf(projection)).toMatchObject([{ id: 'a', started: 1 }, { id: 'b' }])
  })

  it('keeps rows of two tenants apart even when they have the same id, and shows each its own only', async () => {
    const projection = counting('apart')
    const applied = run(projection)
    await append('a', { type: 'ConversationStarted' }, acme)
    await append('a', { type: 'ConversationStarted' }, bolt)
    await applied.waitFor(['apart'], await snoozed('a', undefined, bolt), 40_000)
    expect(await rowsOf(projection)).toMatchObject([
      { tenant_id: acme, started: 1 },
      { tenant_id: bolt, started: 2 },
    ])
    expect(await rowsOf(projection, apiPool)).toEqual([])
    await expect(apiPool.query(`delete from ${schemaOf(projection)}.apart`)).rejects.toThrow('permission denied')
  })

  it('goes on from its checkpoint after a restart, reading again what it needs', async () => {
    const projection = counting('restarts')
    const first = new AbortController()
    const before = run(projection, { signal: first.signal })
    await append('a', { type: 'ConversationStarted' })
    await before.waitFor(['restarts'], await snoozed('a'), 40_000)
    first.abort()
    await Promise.all(running)
    const applied = run(projection)
    await applied.waitFor(['restarts'], await snoozed('a'), 40_000)
    expect(await rowsOf(projection)).toMatchObject([{ id: 'a', started: 3 }])
  })

  it('has one writer however many were started, and another one takes over from it', async () => {
    const projection = counting('takeover')
    const writers = [0, 1, 2].map(() => new AbortController())
    const applied = writers.map(({ signal }) => run(projection, { signal, leaseMs: 300 }))
    for (let round = 0; round < 3; round++) {
      const position = await snoozed('a')
      // Every process sees it: the writer in memory, the others by the checkpoint in the database.
      await Promise.all(applied.map(async (one) => expect(await one.waitFor(['takeover'], position, 40_000)).toBe(true)))
      expect(await rowsOf(projection)).toMatchObject([{ id: 'a', started: round + 1 }])
      writers[round]?.abort()
    }
  })

  it('loses nothing and repeats nothing when its connections are cut at random', async () => {
    const projection = counting('cut')
    const told: string[] = []
    const applied = run(projection, { pageSize: 7, hotRows: 1, log: pino({ level: 'warn' }, { write: (line) => told.push(line) }) })
    const ids = ['a', 'b', 'c']
    const disturbed = (): number => told.filter((line) => line.includes('disturbed')).length
    let last = await snoozed('a')
    let n = 1
    // At least 300, and until a cut has met it at work: one that finds it idle proves nothing.
    for (; n < 300 || (disturbed() === 0 && n < 30_000) || n % 3 !== 0; n++) {
      last = await snoozed(ids[n % 3] ?? 'a')
      if (n % 40 === 0) {
        await ownerPool.query(
          `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'recado worker' and datname = current_database()`,
        )
        await sleep(20)
      }
    }
    expect(await applied.waitFor(['cut'], last, 40_000)).toBe(true)
    expect((await rowsOf(projection)).map(({ started }) => started)).toEqual([n / 3, n / 3, n / 3])
    expect(disturbed()).toBeGreaterThan(0)
    expect(await parkedOf(projection)).toEqual([])
  })

  it('parks an event that its fold cannot take and every later one of the same row, and no other', async () => {
    const projection = counting('poison')
    const applied = run(projection)
    await append('bad', { type: 'ConversationStarted' })
    await snoozed('good')
    const at = await snoozed('bad', 'poison')
    await snoozed('good')
    const behind = await snoozed('bad')
    expect(await applied.waitFor(['poison'], behind, 40_000)).toBe(true)
    expect(await rowsOf(projection)).toMatchObject([
      { id: 'bad', started: 1 },
      { id: 'good', started: 2 },
    ])
    expect(await parkedOf(projection)).toMatchObject([
      { position: BigInt(at).toString(), stream_key: 'bad', category: 'failed', error: 'Error: poison' },
      { position: BigInt(behind).toString(), stream_key: 'bad', category: 'behind' },
    ])
    expect((await applied.progress())[0]).toMatchObject({ name: 'poison', state: 'live', parked: 2, lagEvents: 0 })
  })

  it('finds the one event on a page that PostgreSQL refuses, and applies all others', async () => {
    const projection = counting('refused')
    for (let n = 0; n < 50; n++) await snoozed(`c${n % 10}`)
    const at = await snoozed('c3', '{')
    for (let n = 0; n < 50; n++) if (n % 10 !== 3) await snoozed(`c${n % 10}`)
    const applied = run(projection)
    expect(await applied.waitFor(['refused'], (await store.head()).position, 40_000)).toBe(true)
    const behind = await snoozed('c3')
    expect(await applied.waitFor(['refused'], await snoozed('c4'), 40_000)).toBe(true)
    expect((await rowsOf(projection)).map(({ id, started }) => [id, started])).toEqual(
      Array.from({ length: 10 }, (_, n) => [`c${n}`, n === 3 ? 5 : n === 4 ? 11 : 10]),
    )
    expect(await parkedOf(projection)).toMatchObject([
      { position: BigInt(at).toString(), stream_key: 'c3', category: 'failed' },
      { position: BigInt(behind).toString(), stream_key: 'c3', category: 'behind' },
    ])
  })

  it('parks a value that no column can hold at the event that brought it, also when a later one of the same page would have repaired it', async () => {
    const projection = counting('values')
    await snoozed('a')
    const at = await snoozed('a', 'no date')
    const applied = run(projection)
    await applied.waitFor(['values'], await snoozed('a'), 40_000)
    expect(await rowsOf(projection)).toMatchObject([{ id: 'a', started: 1 }])
    expect((await parkedOf(projection))[0]).toMatchObject({ position: BigInt(at).toString(), category: 'failed', error: 'Error: due is no moment' })
  })

  it('knows after a restart which rows are parked', async () => {
    const projection = counting('remembers')
    const first = new AbortController()
    const before = run(projection, { signal: first.signal })
    await before.waitFor(['remembers'], await snoozed('bad', 'poison'), 40_000)
    first.abort()
    await Promise.all(running)
    const applied = run(projection)
    await applied.waitFor(['remembers'], await snoozed('bad'), 40_000)
    expect(await rowsOf(projection)).toEqual([])
    expect(await parkedOf(projection)).toHaveLength(2)
  })

  it('stands still and says so when too many rows are parked', async () => {
    const projection = counting('paused')
    const applied = run(projection, { mostParkedRows: 2, pageSize: 1 })
    for (const id of ['a', 'b', 'c']) await snoozed(id, 'poison')
    const after = await snoozed('d')
    expect(await applied.waitFor(['paused'], after, 700)).toBe(false)
    expect((await applied.progress())[0]).toMatchObject({ state: 'paused', parked: 3 })
    expect(await rowsOf(projection)).toEqual([])
  })

  it('builds a new version beside the live one, which is seen until the new one has caught up', async () => {
    const old = counting('versions', 1)
    const first = new AbortController()
    const before = run(old, { signal: first.signal })
    await snoozed('a')
    await before.waitFor(['versions'], await snoozed('a'), 40_000)
    first.abort()
    await Promise.all(running)

    const next = counting('versions', 2)
    await prepareReadModels(ownerPool, [next])
    expect(await rowsOf(old)).toMatchObject([{ id: 'a', started: 2 }])
    const applied = run(next)
    runRebuildsOf([next])
    await untilLive(next)
    expect(await applied.waitFor(['versions'], await snoozed('a'), 40_000)).toBe(true)
    expect(await rowsOf(next)).toMatchObject([{ id: 'a', started: 6 }])
    const { rows } = await pool.query(`select version, state, schema_name from es.generations where projection = 'versions' order by version`)
    expect(rows).toEqual([
      { version: 1, state: 'previous', schema_name: 'rm_versions_prev' },
      { version: 2, state: 'live', schema_name: 'rm_versions' },
    ])
  })

  it('fences off the writer of the old version when the new one takes over, and goes back to what was live before when the old one is wanted back', async () => {
    const [old, next] = [counting('fenced', 1), counting('fenced', 2)]
    const oldStop = new AbortController()
    const before = run(old, { signal: oldStop.signal, leaseMs: 300 })
    await before.waitFor(['fenced'], await snoozed('a'), 40_000)
    const nextStop = new AbortController()
    const applied = run(next, { signal: nextStop.signal })
    runRebuildsOf([next], nextStop.signal)
    // Readers never see the table away, nor the work of both in it.
    for (let n = 0; n < 40; n++) {
      await snoozed('a')
      const [row] = await rowsOf(next)
      expect([Number(row?.last), 2 * Number(row?.last)]).toContain(row?.started)
      await sleep(5)
    }
    await untilLive(next)
    expect(await applied.waitFor(['fenced'], await snoozed('a'), 40_000)).toBe(true)
    expect(await rowsOf(next)).toEqual([{ tenant_id: acme, id: 'a', started: 84, last: '42' }])
    oldStop.abort()
    nextStop.abort()
    await Promise.all(running)
    const back = run(old)
    runRebuildsOf([old])
    await untilLive(old)
    expect(await back.waitFor(['fenced'], await snoozed('a'), 40_000)).toBe(true)
    expect(await rowsOf(old)).toMatchObject([{ id: 'a', started: 43 }])
  })

  it('moves on over events that are not its own, in memory and in the database', async () => {
    const projection = counting('skips')
    const applied = run(projection)
    await append('a', { type: 'ConversationStarted' })
    let last = positionOf(0)
    for (let n = 0; n < 20; n++) last = await append('a', { type: 'SendRetried' })
    expect(await applied.waitFor(['skips'], last, 40_000)).toBe(true)
    for (const deadline = Date.now() + 40_000; ; await sleep(50)) {
      const stored = await checkpointOf(pool, subscriptionOf(projection))
      if (stored === last) break
      if (Date.now() > deadline) throw new Error(`the checkpoint is still ${stored}, not ${last}`)
    }
  })

  it('does not call a read model caught up that never ran', async () => {
    const projection = counting('never')
    await snoozed('a')
    const applied = createAppliedPositions({ projections: [projection], pool, store })
    expect(await applied.progress()).toMatchObject([{ name: 'never', state: 'stopped', lagEvents: null, etaSeconds: null }])
    expect(await applied.caughtUp()).toBe(false)
    expect(await applied.waitFor(['never'], positionOf(1), 150)).toBe(false)
  })

  it('tells how far behind it is and for how long the oldest event has waited', async () => {
    const projection = counting('behind')
    const first = new AbortController()
    const applied = run(projection, { signal: first.signal })
    await applied.waitFor(['behind'], await snoozed('a'), 40_000)
    first.abort()
    await Promise.all(running)
    await snoozed('a')
    await snoozed('a')
    await sleep(120)
    const [progress] = await applied.progress()
    expect(progress).toMatchObject({ state: 'stopped', position: positionOf(1), head: positionOf(3), lagEvents: 2 })
    expect(progress?.lagSeconds).toBeGreaterThan(0.1)
  })
})
