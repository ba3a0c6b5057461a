import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { createPostgresEventStore } from '../../adapters/event-store/postgres/event-store.ts'
import { createLogIndex } from '../../adapters/event-store/postgres/log-index.ts'
import { createLogScan } from '../../adapters/event-store/postgres/scan-log.ts'
import type { Actor } from '../../domain/kernel/envelope.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { derivedId } from '../../domain/kernel/ids.ts'
import type { LogScan } from '../../domain/kernel/log-scan.ts'
import type { Position } from '../../domain/kernel/position.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { createPool } from '../../postgres/pool.ts'
import { createAppliedPositions, type AppliedPositions } from './applied-positions.ts'
import { generationsOf } from './generations.ts'
import { runProjection } from './live.ts'
import { schemaOf, subscriptionOf, tableOf } from './naming.ts'
import type { EventsOf, Projection } from './projection.ts'
import { refoldRow } from './rebuild-tenant.ts'
import { createRebuilds, isOver, type Rebuild, type RebuildState } from './rebuilds.ts'
import { runRebuilds } from './run-rebuilds.ts'

const acme = '0197c0de-0000-7000-8000-00000000000a'
const bolt = '0197c0de-0000-7000-8000-00000000000b'
const person: Actor = { kind: 'operator', id: 'operator' }

type CountRow = { readonly id: string; readonly started: number; readonly last: string }
type Handled = EventsOf<'ConversationStarted' | 'ConversationSnoozed' | 'ConversationResolved'>

/** Counts the snoozes of each conversation; `poison` breaks the fold. */
const counting = (name: string, more: Partial<Projection<CountRow, Handled>> = {}): Projection<CountRow, Handled> => ({
  name,
  version: 1,
  handles: ['ConversationStarted', 'ConversationSnoozed', 'ConversationResolved'],
  table: { columns: { id: 'text', started: 'int4', last: 'int8' }, indexes: [{ name: 'by_last', on: 'last' }] },
  home: 'conversation',
  key: (_event, at) => at.stream.id,
  fold(row, event, at) {
    if (event.type === 'ConversationResolved') return 'delete'
    if (event.type === 'ConversationSnoozed' && event.until === 'poison') throw new Error('poison')
    return { id: at.stream.id, started: (row?.started ?? 0) + 1, last: BigInt(at.position).toString() }
  },
  ...more,
})

describe('a rebuild', () => {
  let home: TestDatabase
  let pool: Pool
  let copyPool: Pool
  let apiPool: Pool
  let store: EventStore
  let stop: AbortController
  let running: Promise<void>[]
  let made = 0
  const log = pino({ level: 'silent' })

  beforeAll(async () => {
    home = await freshDatabase()
    pool = createPool({ url: home.url, role: 'recado_worker', max: 10, name: 'worker' })
    copyPool = createPool({ url: home.url, role: 'owner', max: 6, name: 'copy', pipeline: false, statementTimeoutMs: 0 })
    apiPool = createPool({ url: home.url, role: 'recado_api', max: 3, name: 'api' })
    store = createPostgresEventStore({ pool, listenUrl: home.url })
  })
  afterAll(async () => {
    await store.close()
    await Promise.all([pool.end(), copyPool.end(), apiPool.end()])
    await home.drop()
  })
  beforeEach(() => {
    stop = new AbortController()
    running = []
  })
  afterEach(async () => {
    stop.abort()
    await Promise.all(running)
  })

  const meta = { occurredAt: '2026-01-01T00:00:00Z', correlationId: 'c', causationId: 'c', actor: { kind: 'process', id: 'test' } } as const
  async function append(id: string, event: { type: string; until?: string }, tenantId = acme): Promise<Position> {
    const { type, ...data } = event
    const events = [{ id: derivedId('rebuild', String(++made)), type, schemaVersion: 1, data, meta }]
    const result = await store.append({ stream: streamRef('conversation', tenantId, id), expected: 'any', events })
    if (result.outcome !== 'appended') throw new Error(result.outcome)
    return result.position
  }
  const snoozed = (id: string, until = '2026-02-01T00:00:00Z', tenantId = acme): Promise<Position> =>
    append(id, { type: 'ConversationSnoozed', until }, tenantId)

  const shared = () => ({ store, pool, owner: `owner ${Math.random()}`, signal: stop.signal, log })
  function live(...projections: Projection[]): AppliedPositions {
    const applied = createAppliedPositions({ projections, pool, store })
    for (const projection of projections) {
      running.push(runProjection({ ...shared(), projection, ownerPool: copyPool, leaseMs: 1_000, onApplied: applied.report }))
    }
    return applied
  }
  function worker(
    projections: readonly Projection[],
    more: { scan?: LogScan; signal?: AbortSignal; budgetBytes?: number; leaseMs?: number; onProgress?: (one: Rebuild) => void } = {},
  ): Promise<void> {
    const done = runRebuilds({
      ...shared(),
      scan: createLogScan(copyPool),
      index: createLogIndex(copyPool),
      copyPool,
      projections,
      pollMs: 20,
      ...more,
    })
    running.push(done)
    return done
  }
  const rebuildsOf = (...projections: Projection[]) => createRebuilds({ pool, projections })
  async function asked(projections: Projection[], tenantId?: string): Promise<Rebuild> {
    const answer = await rebuildsOf(...projections).request({ projections: projections.map(({ name }) => name), tenantId, requestedBy: person })
    if ('refused' in answer) throw new Error(answer.refused)
    return answer.rebuild
  }
  async function over(rebuild: Rebuild): Promise<Rebuild> {
    for (const deadline = Date.now() + 40_000; ; await sleep(20)) {
      const one = await rebuildsOf().get(rebuild.id)
      if (one !== undefined && isOver(one.state)) return one
      if (Date.now() > deadline) throw new Error(`still ${one?.state}`)
    }
  }
  async function rowsOf(projection: Projection) {
    const { rows } = await pool.query<{ tenant_id: string; id: string; started: number; last: string }>(
      `select tenant_id, id, started, last from ${schemaOf(projection)}.${tableOf(projection)} order by tenant_id, id`,
    )
    return rows
  }
  const spoil = (projection: Projection, where = 'true') =>
    copyPool.query(`update ${schemaOf(projection)}.${tableOf(projection)} set started = 1000 where ${where}`)
  const parkedOf = async (projection: Projection) =>
    (
      await pool.query<{ position: string; category: string }>(
        `select position, category from es.parked_events where subscription = $1 order by position`,
        [subscriptionOf(projection)],
      )
    ).rows

  async function someLog(prefix: string): Promise<void> {
    for (let n = 0; n < 120; n++) {
      await snoozed(`${prefix}${n % 7}`, undefined, n % 3 === 0 ? bolt : acme)
      if (n % 31 === 30) await append(`${prefix}${n % 7}`, { type: 'ConversationResolved' })
    }
  }

  it('makes the rows of several read models anew while they are written and read, and no reader meets an error', async () => {
    const models = [counting('several'), counting('further')]
    await someLog('several')
    const applied = live(...models)
    await applied.waitFor(['several', 'further'], await snoozed('several0'), 40_000)
    const expected = (await rowsOf(models[0] as Projection)).length
    for (const model of models) await spoil(model)
    const rebuild = await asked(models)
    const seen: string[] = []
    void worker(models, { onProgress: ({ state }) => seen.push(state) })
    let reads = 0
    const done = new AbortController()
    const reading = (async () => {
      while (!done.signal.aborted) {
        const { rows } = await pool.query({ name: 'reads several', text: 'select started from rm_several.several' })
        expect(rows.length).toBeGreaterThanOrEqual(expected)
        reads++
      }
    })()
    const writing = (async () => {
      while (!done.signal.aborted) await snoozed('during')
    })()
    expect(await over(rebuild)).toMatchObject({ state: 'live', error: undefined, attempts: 1 })
    done.abort()
    await Promise.all([reading, writing])
    expect(reads).toBeGreaterThan(3)
    expect([...new Set(seen)]).toEqual(['created', 'copying', 'indexing', 'catching_up', 'verifying', 'ready', 'live'])
    // The writers go on in the new tables.
    const last = await snoozed('several1')
    expect(await applied.waitFor(['several', 'further'], last, 40_000)).toBe(true)
    const fresh = counting('severalFresh')
    await live(fresh).waitFor(['severalFresh'], last, 40_000)
    for (const model of models) expect(await rowsOf(model)).toEqual(await rowsOf(fresh))
    const indexes = await pool.query(`select indexname from pg_indexes where schemaname = 'rm_several' order by 1`)
    expect(indexes.rows).toEqual([{ indexname: 'by_last' }, { indexname: 'several_pkey' }])
  })

  it('can be taken back for a day: what was live before catches up and is shown again', async () => {
    const model = counting('back')
    await someLog('back')
    const applied = live(model)
    await applied.waitFor(['back'], await snoozed('back0'), 40_000)
    await spoil(model, `id = 'back1'`)
    void worker([model])
    await over(await asked([model]))
    expect((await rowsOf(model)).filter(({ started }) => started === 1000)).toEqual([])
    const answer = await rebuildsOf(model).rollBack({ projection: 'back', requestedBy: person })
    if ('refused' in answer) throw new Error(answer.refused)
    expect(await over(answer.rebuild)).toMatchObject({ state: 'live', kind: 'rollback' })
    const last = await snoozed('back1')
    expect(await applied.waitFor(['back'], last, 40_000)).toBe(true)
    // The very rows of before, the spoilt one among them, and what happened since.
    expect((await rowsOf(model)).filter(({ id, tenant_id }) => id === 'back1' && tenant_id === acme)).toMatchObject([{ started: 1001 }])
  })

  it('leaves parked events parked, with every row as the live one had it', async () => {
    const model = counting('parking')
    const applied = live(model)
    await snoozed('parkingA')
    await snoozed('parkingBad')
    const bad = await snoozed('parkingBad', 'poison')
    await snoozed('parkingBad')
    await applied.waitFor(['parking'], await snoozed('parkingA'), 40_000)
    const [rows, parked] = [await rowsOf(model), await parkedOf(model)]
    expect(parked).toMatchObject([{ position: BigInt(bad).toString(), category: 'failed' }, { category: 'behind' }])
    void worker([model])
    expect(await over(await asked([model]))).toMatchObject({ state: 'live' })
    expect(await rowsOf(model)).toEqual(rows)
    expect(await parkedOf(model)).toEqual(parked)
    const behind = await snoozed('parkingBad')
    await applied.waitFor(['parking'], await snoozed('parkingA'), 40_000)
    expect((await parkedOf(model)).at(-1)).toMatchObject({ position: BigInt(behind).toString(), category: 'behind' })
    await append('parkingBad', { type: 'ConversationResolved' })
  })

  it('stops at an event that cannot be applied, shows it, and leaves what is live alone', async () => {
    let broken = false
    const good = counting('failing', { handles: ['ConversationStarted', 'ConversationSnoozed'] })
    const model = {
      ...good,
      fold: (...[row, event, at]: Parameters<typeof good.fold>) => {
        if (broken && at.stream.id === 'failing3') throw new Error('broken')
        return event.type === 'ConversationSnoozed' && event.until === 'poison' ? undefined : good.fold(row, event, at)
      },
    }
    await someLog('failing')
    const applied = live(model)
    await applied.waitFor(['failing'], await snoozed('failing0'), 40_000)
    const rows = await rowsOf(model)
    broken = true
    void worker([model])
    const failed = await over(await asked([model]))
    expect(failed).toMatchObject({ state: 'failed', error: { code: 'event_refused', type: 'ConversationSnoozed' } })
    expect(failed.error?.detail).toContain('failing3')
    expect(await rowsOf(model)).toEqual(rows)
    for (const deadline = Date.now() + 40_000; (await generationsOf(pool, 'failing')).length > 1; await sleep(50)) {
      if (Date.now() > deadline) throw new Error('what was begun is still there')
    }
  })

  it('is done once at a time for a read model, and can be given up at any moment', async () => {
    const model = counting('aborted')
    await someLog('aborted')
    await live(model).waitFor(['aborted'], await snoozed('aborted0'), 40_000)
    await spoil(model)
    const rebuild = await asked([model])
    expect(await rebuildsOf(model).request({ projections: ['aborted'], requestedBy: person })).toEqual({
      refused: 'rebuild_running',
      running: rebuild.id,
    })
    let reached: () => void = () => undefined
    const copying = new Promise<void>((resolve) => (reached = resolve))
    const scan: LogScan = async function* (wanted) {
      yield* createLogScan(copyPool)(wanted)
      reached()
      await sleep(30_000, undefined, { signal: wanted.signal })
    }
    void worker([model], { scan })
    await copying
    expect(await rebuildsOf().abort(rebuild.id)).toMatchObject({ state: 'aborted' })
    for (const deadline = Date.now() + 40_000; (await generationsOf(pool, 'aborted')).length > 1; await sleep(50)) {
      if (Date.now() > deadline) throw new Error('what was begun is still there')
    }
    expect((await rowsOf(model)).every(({ started }) => started === 1000)).toBe(true)
    expect(await rebuildsOf().abort(rebuild.id)).toMatchObject({ state: 'aborted' })
  })

  const states: RebuildState[] = ['copying', 'indexing', 'catching_up', 'verifying', 'ready']
  it.each(states)('is gone on with by another process when its own died while %s', async (state) => {
    const model = counting(`dies${state.replace('_', '')}`)
    await someLog(model.name)
    const applied = live(model)
    await applied.waitFor([model.name], await snoozed(`${model.name}0`), 40_000)
    await spoil(model)
    const rebuild = await asked([model])
    // Dead, as far as anybody can see: from then on it neither writes nor renews anything.
    const frozen: Rebuild[] = []
    const dying = new AbortController()
    const dead = createPool({ url: home.url, role: 'recado_worker', max: 4, name: 'dying' })
    const deadCopy = createPool({ url: home.url, role: 'owner', max: 6, name: 'dying copy', pipeline: false, statementTimeoutMs: 0 })
    const first = runRebuilds({
      ...shared(),
      pool: dead,
      copyPool: deadCopy,
      scan: createLogScan(deadCopy),
      index: createLogIndex(deadCopy),
      projections: [model],
      pollMs: 20,
      leaseMs: 600,
      signal: dying.signal,
      onProgress(one) {
        if (one.state !== state || frozen.length > 0) return
        frozen.push(one)
        dying.abort()
        for (const one of [dead, deadCopy]) void one.end()
        void copyPool.query(
          `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'recado dying%' and datname = current_database()`,
        )
      },
    }).catch(() => undefined)
    await first
    expect(frozen).toHaveLength(1)
    void worker([model], { leaseMs: 600 })
    const done = await over(rebuild)
    expect(done).toMatchObject({ state: 'live', error: undefined })
    expect(done.attempts).toBeGreaterThan(1)
    const last = await snoozed(`${model.name}1`)
    expect(await applied.waitFor([model.name], last, 40_000)).toBe(true)
    const fresh = counting(`${model.name}Fresh`)
    await live(fresh).waitFor([fresh.name], last, 40_000)
    expect(await rowsOf(model)).toEqual(await rowsOf(fresh))
  })

  it('brings an organisation what came while it was copied, up to the event that was parked meanwhile', async () => {
    const model = counting('tail')
    await someLog('tail')
    const applied = live(model)
    await applied.waitFor(['tail'], await snoozed('tail0'), 40_000)
    const rebuild = await asked([model], acme)
    let before: Awaited<ReturnType<typeof rowsOf>> = []
    const scan: LogScan = async function* (wanted) {
      yield* createLogScan(copyPool)(wanted)
      if (before.length > 0) return
      await snoozed('tail1')
      await snoozed('tail1', 'poison')
      await applied.waitFor(['tail'], await snoozed('tail0'), 40_000)
      before = await rowsOf(model)
    }
    void worker([model], { scan })
    expect(await over(rebuild)).toMatchObject({ state: 'live' })
    expect(await rowsOf(model)).toEqual(before)
    await append('tail1', { type: 'ConversationResolved' })
  })

  it("makes one organisation's rows anew and touches nobody else's; its live writer forgets what it had in memory", async () => {
    const model = counting('tenant')
    await someLog('tenant')
    const applied = live(model)
    await applied.waitFor(['tenant'], await snoozed('tenant0', undefined, bolt), 40_000)
    const before = await rowsOf(model)
    await spoil(model)
    void worker([model], { budgetBytes: 1 })
    expect(await over(await asked([model], bolt))).toMatchObject({ state: 'live', tenantId: bolt })
    const after = await rowsOf(model)
    expect(after.filter(({ tenant_id }) => tenant_id === bolt)).toEqual(before.filter(({ tenant_id }) => tenant_id === bolt))
    expect(after.filter(({ tenant_id }) => tenant_id === acme).every(({ started }) => started === 1000)).toBe(true)
    const again = before.find(({ tenant_id, id }) => tenant_id === bolt && id === 'tenant0')
    await applied.waitFor(['tenant'], await snoozed('tenant0', undefined, bolt), 40_000)
    expect((await rowsOf(model)).find(({ tenant_id, id }) => tenant_id === bolt && id === 'tenant0')).toMatchObject({
      started: (again?.started ?? 0) + 1,
    })
    const { rows } = await pool.query(`select nspname from pg_namespace where nspname like 'rm\\_tenant\\_tenant%'`)
    expect(rows).toEqual([])
  })

  it('folds one row anew', async () => {
    const model = counting('one')
    await someLog('one')
    const applied = live(model)
    await applied.waitFor(['one'], await snoozed('one0'), 40_000)
    const before = await rowsOf(model)
    await spoil(model, `id = 'one1' and tenant_id = '${acme}'`)
    expect(await refoldRow({ copyPool, store, scan: createLogScan(copyPool) }, model, { tenantId: acme, id: 'one1' })).toBe('written')
    expect(await rowsOf(model)).toEqual(before)
  })
})
