import type { Pool } from 'pg'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { createMemoryEventStore } from '../../adapters/event-store/memory/event-store.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { derivedId } from '../../domain/kernel/ids.ts'
import type { Position } from '../../domain/kernel/position.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { createPool } from '../../postgres/pool.ts'
import { createAppliedPositions } from './applied-positions.ts'
import { followDiscards } from './discards-of-log.ts'
import { runProjection } from './live.ts'
import { schemaOf, subscriptionOf, tableOf } from './naming.ts'
import type { EventsOf, Projection } from './projection.ts'
import { createParkedTools } from './retry-parked.ts'

const acme = '0197c0de-0000-7000-8000-00000000000a'
type Row = { readonly id: string; readonly seen: string; readonly note: string | null }

/** Remembers every moment it saw, in order. What is in `broken` breaks the fold; `{` is JSON that only PostgreSQL refuses. */
const remembering = (name: string, broken: Set<string>): Projection<Row, EventsOf<'ConversationSnoozed'>> => ({
  name,
  version: 1,
  handles: ['ConversationSnoozed'],
  table: { columns: { id: 'text', seen: 'text', note: 'json' }, indexes: [] },
  key: (_event, at) => at.stream.id,
  fold(row, { until }, at) {
    if (broken.has(until)) throw new Error(`broken by ${until}`)
    return { id: at.stream.id, seen: `${row?.seen ?? ''}${until}`, note: until === '{' && !broken.has('healed') ? '{' : null }
  },
})

describe('parked events of a row', () => {
  let home: TestDatabase
  let pool: Pool
  let ownerPool: Pool
  let store: EventStore
  let stop: AbortController
  let running: Promise<void>[]
  let made = 0

  beforeAll(async () => {
    home = await freshDatabase()
    pool = createPool({ url: home.url, role: 'recado_worker', max: 10, name: 'worker' })
    ownerPool = createPool({ url: home.url, role: 'owner', max: 2, name: 'owner' })
  })
  afterAll(async () => {
    await Promise.all([pool.end(), ownerPool.end()])
    await home.drop()
  })
  beforeEach(() => {
    store = createMemoryEventStore()
    stop = new AbortController()
    running = []
  })
  afterEach(async () => {
    stop.abort()
    await Promise.all(running)
    await store.close()
  })

  async function snoozed(id: string, until: string): Promise<Position> {
    const meta = { occurredAt: '2026-01-01T00:00:00Z', correlationId: 'c', causationId: 'c', actor: { kind: 'process', id: 'test' } } as const
    const result = await store.append({
      stream: streamRef('conversation', acme, id),
      expected: 'any',
      events: [{ id: derivedId('retry', String(made++)), type: 'ConversationSnoozed', schemaVersion: 1, data: { until }, meta }],
    })
    if (result.outcome === 'conflict') throw new Error('nobody is in the way')
    return result.position
  }

  function start(projection: Projection) {
    const applied = createAppliedPositions({ projections: [projection], pool, store })
    const told: (readonly string[])[] = []
    running.push(
      runProjection({
        projection,
        store,
        pool,
        ownerPool,
        owner: `owner ${Math.random()}`,
        signal: stop.signal,
        log: pino({ level: 'silent' }),
        onApplied: applied.report,
        onParked: ({ tenantIds }) => void told.push(tenantIds),
      }),
    )
    return { told, shown: async (position: Position) => expect(await applied.waitFor([projection.name], position, 30_000)).toBe(true) }
  }
  const seen = async (projection: Projection): Promise<Readonly<Record<string, string>>> => {
    const { rows } = await pool.query<Row>(`select id, seen from ${schemaOf(projection)}.${tableOf(projection)}`)
    return Object.fromEntries(rows.map(({ id, seen: text }) => [id, text]))
  }
  const open = async (projection: Projection) =>
    (
      await pool.query<{ category: string; error: string }>(
        'select category, error from es.parked_events where subscription = $1 and resolved_at is null order by position',
        [subscriptionOf(projection)],
      )
    ).rows
  const toolsFor = (projection: Projection) => createParkedTools({ pool, store, projections: [projection] })

  it('are applied in order when they can be, and the row goes on live after them', async () => {
    const broken = new Set(['b'])
    const projection = remembering('mended', broken)
    const { shown, told } = start(projection)
    await snoozed('row', 'a')
    const cause = await snoozed('row', 'b')
    await snoozed('row', 'c')
    await shown(await snoozed('other', 'x'))
    expect(await seen(projection)).toEqual({ row: 'a', other: 'x' })
    expect(told).toEqual([[acme]])

    const tools = toolsFor(projection)
    expect(await tools.retry(acme, projection.name, cause)).toMatchObject({ applied: 0, waiting: 2, error: 'Error: broken by b' })
    expect(await seen(projection)).toEqual({ row: 'a', other: 'x' })
    broken.clear()
    expect(await tools.retry(acme, projection.name, cause)).toEqual({ row: 'row', applied: 2, waiting: 0, waitingInAll: 0, error: undefined })
    await shown(await snoozed('row', 'd'))
    expect(await seen(projection)).toEqual({ row: 'abcd', other: 'x' })
    expect(await open(projection)).toEqual([])
    expect(await tools.retry(acme, projection.name, cause)).toEqual({ missing: true })
  })

  it('are applied up to the next one that fails, which then says why', async () => {
    const broken = new Set(['b', 'd'])
    const projection = remembering('halfway', broken)
    const { shown } = start(projection)
    const cause = await snoozed('row', 'b')
    await snoozed('row', 'c')
    await snoozed('row', 'd')
    await shown(await snoozed('row', 'e'))
    broken.delete('b')
    expect(await toolsFor(projection).retry(acme, projection.name, cause)).toMatchObject({ applied: 2, waiting: 2, error: 'Error: broken by d' })
    expect(await seen(projection)).toEqual({ row: 'bc' })
    expect(await open(projection)).toMatchObject([{ category: 'failed', error: 'Error: broken by d' }, { category: 'behind' }])
  })

  it('stop at a row that the table refuses, and leave the connection and the row sound', async () => {
    const broken = new Set(['a'])
    const projection = remembering('refused', broken)
    const { shown } = start(projection)
    const cause = await snoozed('row', 'a')
    await snoozed('row', 'b')
    await shown(await snoozed('row', '{'))
    broken.clear()
    expect(await toolsFor(projection).retry(acme, projection.name, cause)).toMatchObject({ applied: 2, waiting: 1 })
    expect(await seen(projection)).toEqual({ row: 'ab' })
    expect(await open(projection)).toMatchObject([{ category: 'failed' }])
  })

  it('go on without the one that is discarded, also in a writer that begins from the start', async () => {
    const projection = remembering('discarded', new Set(['b']))
    const { shown } = start(projection)
    await snoozed('row', 'a')
    const cause = await snoozed('row', 'b')
    await shown(await snoozed('row', 'c'))
    const tools = toolsFor(projection)
    expect(await tools.find(acme, projection.name, cause)).toMatchObject({ row: 'row', category: 'failed', type: 'ConversationSnoozed' })
    expect(await tools.retry(acme, projection.name, cause, { discard: true })).toMatchObject({ applied: 1, waiting: 0, waitingInAll: 0 })
    await shown(await snoozed('row', 'd'))
    expect(await seen(projection)).toEqual({ row: 'acd' })

    stop.abort()
    await Promise.all(running)
    stop = new AbortController()
    await pool.query(`update es.subscriptions set position = 0, fencing_token = fencing_token + 1 where name = $1`, [subscriptionOf(projection)])
    await pool.query(`delete from ${schemaOf(projection)}.${tableOf(projection)}`)
    // The fold could take it by now: it stays discarded.
    const healed = remembering('discarded', new Set())
    const again = start(healed)
    await again.shown(await snoozed('row', 'e'))
    expect(await seen(projection)).toEqual({ row: 'acde' })
    expect(again.told).toEqual([])
  })

  /** As the log remembers it; the position is one of a log that was left since. */
  const discardedInTheLog = async (projection: Projection, id: string, version: number): Promise<void> => {
    const meta = { occurredAt: '2026-01-01T00:00:00Z', correlationId: 'c', causationId: 'c', actor: { kind: 'user', id: 'ana' } } as const
    const event = { category: 'conversation', id, version } as const
    const data = { position: '00000000000000999999', event, row: id, eventType: 'ConversationSnoozed', reason: 'a test' }
    await store.append({
      stream: streamRef('projection', acme, projection.name),
      expected: 'any',
      events: [{ id: derivedId('discard', String(made++)), type: 'ParkedEventDiscarded', schemaVersion: 1, data, meta }],
    })
  }
  const followLog = async () => {
    const following = followDiscards({ pool, store, signal: stop.signal, log: pino({ level: 'silent' }) })
    running.push(following.done)
    await following.known
  }

  it('stay discarded where there is nothing but the log: restored, or copied to an engine with other positions', async () => {
    await ownerPool.query(`delete from es.subscriptions where name = 'discards'`)
    const healed = remembering('restored', new Set())
    for (const until of ['a', 'b', 'c']) await snoozed('row', until)
    await discardedInTheLog(healed, 'row', 2)
    await followLog()
    const { shown } = start(healed)
    await shown(await snoozed('row', 'd'))
    expect(await seen(healed)).toEqual({ row: 'acd' })
    const { rows } = await pool.query('select position::int, stream_key from es.discarded_events where projection = $1', [healed.name])
    expect(rows).toEqual([{ position: 2, stream_key: 'row' }])
    await discardedInTheLog(healed, 'row', 3)
    const known = async () => (await pool.query('select from es.discarded_events where projection = $1', [healed.name])).rowCount
    await expect.poll(known, { timeout: 20_000 }).toBe(2)
  })

  it('stay discarded when whoever wished it died before it was dealt with in the rows', async () => {
    await ownerPool.query(`delete from es.subscriptions where name = 'discards'`)
    const broken = new Set(['b'])
    const projection = remembering('halfDone', broken)
    const { shown } = start(projection)
    await snoozed('row', 'a')
    const cause = await snoozed('row', 'b')
    await shown(await snoozed('row', 'c'))
    await discardedInTheLog(projection, 'row', 2)
    await followLog()
    broken.clear()
    expect(await toolsFor(projection).retry(acme, projection.name, cause)).toMatchObject({ applied: 1, waiting: 0 })
    expect(await seen(projection)).toEqual({ row: 'ac' })
  })

  it('whose row could not even be told are not applied out of their place', async () => {
    const broken = new Set(['keyless'])
    const projection: Projection<Row, EventsOf<'ConversationSnoozed'>> = {
      ...remembering('keyless', broken),
      key(_event, at) {
        if (broken.size > 0 && at.version === 1) throw new Error('no key')
        return at.stream.id
      },
    }
    const { shown } = start(projection)
    const cause = await snoozed('row', 'a')
    await shown(await snoozed('row', 'b'))
    broken.clear()
    const tools = toolsFor(projection)
    const error = expect.stringContaining('only a rebuild') as string
    expect(await tools.retry(acme, projection.name, cause)).toMatchObject({ applied: 0, waiting: 1, error })
    expect(await seen(projection)).toEqual({ row: 'b' })
    expect(await tools.retry(acme, projection.name, cause, { discard: true })).toMatchObject({ applied: 0, waiting: 0, waitingInAll: 0 })
  })

  it('of many rows are dealt with one row at a time while the writer goes on', async () => {
    const broken = new Set(['b'])
    const projection = remembering('busy', broken)
    const { shown } = start(projection)
    const causes: Position[] = []
    for (let n = 0; n < 10; n++) causes.push(await snoozed(`row ${n}`, 'b'))
    await shown(await snoozed('other', 'x'))
    broken.clear()
    const tools = toolsFor(projection)
    let last: Position | undefined
    await Promise.all([
      ...causes.map((cause) => tools.retry(acme, projection.name, cause)),
      (async () => {
        for (let n = 0; n < 200; n++) last = await snoozed(`row ${n % 10}`, String(n % 7))
      })(),
    ])
    if (last !== undefined) await shown(last)
    // One that came while its row was still parked waits behind; the next try takes it along.
    for (const { position } of (
      await pool.query<{ position: string }>('select position from es.parked_events where subscription = $1 and resolved_at is null', [
        subscriptionOf(projection),
      ])
    ).rows)
      await tools.retry(acme, projection.name, position.padStart(20, '0') as Position)
    const expected = new Map(Array.from({ length: 10 }, (_, n) => [`row ${n}`, 'b']))
    for (let n = 0; n < 200; n++) expected.set(`row ${n % 10}`, `${expected.get(`row ${n % 10}`) ?? ''}${n % 7}`)
    expect(await seen(projection)).toEqual({ ...Object.fromEntries(expected), other: 'x' })
    expect(await open(projection)).toEqual([])
  })
})
