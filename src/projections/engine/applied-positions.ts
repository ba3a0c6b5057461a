import type { Pool } from 'pg'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { positionOf, start, type Position } from '../../domain/kernel/position.ts'
import type { Applied } from './live.ts'
import { subscriptionOf } from './naming.ts'
import type { Projection } from './projection.ts'

/** How far a read model is. Rates are unknown (null) for one that runs in another process. */
export type ProjectionProgress = {
  readonly name: string
  /** The version that queries see. */
  readonly generation: number
  readonly state: 'live' | 'building' | 'paused' | 'stopped'
  readonly position: Position
  readonly head: Position
  /** null: never ran, or the store cannot count. Never 0 for what is not known to be caught up. */
  readonly lagEvents: number | null
  /** How long the oldest event that is still to be applied has been waiting. */
  readonly lagSeconds: number | null
  readonly eventsPerSecond: number | null
  readonly etaSeconds: number | null
  readonly parked: number
  /** The process that writes it at present. */
  readonly heldBy: string | null
}

export type AppliedPositions = {
  /** Hand this to `runProjection`. */
  readonly report: (applied: Applied) => void
  /** Another process said how far one of its read models is. */
  readonly heard: (applied: Applied) => void
  /** How far a read model of this process is, without asking anybody. */
  readonly position: (name: string) => Position | undefined
  /**
   * Resolves true once all of these read models show every event up to `position`: sound because each applies the log in order. False when that takes too long.
   * At once for read models of this process, and for those of another one that tells (applied-news.ts); else within a tenth of a second of their
   * checkpoint, which may be a second late.
   */
  readonly waitFor: (names: readonly string[], position: Position, timeoutMs: number) => Promise<boolean>
  readonly progress: () => Promise<readonly ProjectionProgress[]>
  /** Whether every read model is live and has applied the log up to its present head, give or take what was appended in the last moments. */
  readonly caughtUp: (tolerance?: number) => Promise<boolean>
}

type Waiter = { readonly names: readonly string[]; readonly position: Position; readonly done: () => void }
type Sample = { readonly at: number; readonly position: Position }

const pollMs = 100
const windowMs = 10_000
const sampleMs = 1_000

export function createAppliedPositions({
  projections,
  pool,
  store,
}: {
  projections: readonly Pick<Projection, 'name' | 'version'>[]
  /** Connections of the role recado_worker. */
  pool: Pool
  store: Pick<EventStore, 'head' | 'distance' | 'readAll'>
}): AppliedPositions {
  const positions = new Map<string, Position>()
  const samples = new Map<string, Sample[]>()
  const waiters = new Set<Waiter>()

  const reached = (names: readonly string[], position: Position): boolean => names.every((name) => (positions.get(name) ?? start) >= position)

  function moved(name: string, position: Position): void {
    if ((positions.get(name) ?? start) >= position) return
    positions.set(name, position)
    for (const waiter of waiters) if (reached(waiter.names, waiter.position)) waiter.done()
  }

  function sample(name: string, position: Position): void {
    const taken = samples.get(name) ?? []
    const now = performance.now()
    const last = taken.at(-1)
    if (last !== undefined && now - last.at < sampleMs) return
    samples.set(name, [...taken.filter(({ at }) => now - at < windowMs), { at: now, position }])
  }

  /** For read models that another process writes: their checkpoints in the database. */
  async function ask(): Promise<void> {
    const { rows } = await pool.query<{ name: string; position: string }>({
      name: 'applied_positions',
      text: `select g.projection as name, c.position from es.generations g join es.checkpoints c on c.name = g.projection || '@v' || g.version where g.state = 'live'`,
    })
    for (const { name, position } of rows) moved(name, positionOf(position))
  }

  let polling: NodeJS.Timeout | undefined

  /** One question to the database for all who wait, however many: whoever asks for a position far ahead must not be able to keep the pool busy. */
  async function waitFor(names: readonly string[], position: Position, timeoutMs: number): Promise<boolean> {
    if (reached(names, position)) return true
    return new Promise((resolve) => {
      const finish = (answer: boolean): void => {
        clearTimeout(timeout)
        waiters.delete(waiter)
        if (waiters.size === 0) {
          clearInterval(polling)
          polling = undefined
        }
        resolve(answer)
      }
      const waiter: Waiter = { names, position, done: () => finish(true) }
      const timeout = setTimeout(() => finish(false), timeoutMs)
      waiters.add(waiter)
      polling ??= setInterval(() => void ask().catch(() => undefined), pollMs)
    })
  }

  /** Positions per second over the last ten seconds, of a read model of this process. */
  async function rateOf(name: string, position: Position): Promise<number | null> {
    const [oldest] = (samples.get(name) ?? []).filter(({ at }) => performance.now() - at < 2 * windowMs)
    if (oldest === undefined) return null
    const seconds = Math.max(1, (performance.now() - oldest.at) / 1_000)
    const { events } = await store.distance(oldest.position, position)
    return events === undefined ? null : Math.round((events / seconds) * 10) / 10
  }

  async function progressOf(row: ProgressRow, head: Position): Promise<ProjectionProgress> {
    const { name, generation, parked } = row
    // While a new generation is built queries still see the old one: what is shown is the progress of the new one.
    const stored = row.position === null ? start : positionOf(row.position)
    const local = row.state === 'live' ? positions.get(name) : undefined
    const position = local !== undefined && local > stored ? local : stored
    const behind = position < head
    const { events } = behind ? await store.distance(position, head) : { events: 0 }
    const [oldest] = behind ? (await store.readAll({ after: position, limit: 1 })).events : []
    const rate = await rateOf(name, position)
    const lagEvents = row.position === null ? null : (events ?? null)
    return {
      name,
      generation,
      state: row.state,
      position,
      head,
      lagEvents,
      lagSeconds: lagEvents === null ? null : oldest === undefined ? 0 : Math.max(0, (Date.now() - oldest.recordedAt.getTime()) / 1_000),
      eventsPerSecond: rate,
      etaSeconds: lagEvents === 0 ? 0 : lagEvents === null || rate === null || rate === 0 ? null : Math.ceil(lagEvents / rate),
      parked,
      heldBy: row.owner,
    }
  }

  async function progress(): Promise<readonly ProjectionProgress[]> {
    const [{ position: head }, rows] = await Promise.all([store.head(), readProgress(pool, projections)])
    return Promise.all(rows.map((row) => progressOf(row, head)))
  }

  return {
    report({ projection, position }) {
      moved(projection, position)
      sample(projection, position)
    },
    heard: ({ projection, position }) => moved(projection, position),
    position: (name) => positions.get(name),
    waitFor,
    progress,
    async caughtUp(tolerance = 1_000) {
      const all = await progress()
      return all.every(({ state, lagEvents }) => state === 'live' && lagEvents !== null && lagEvents <= tolerance)
    },
  }
}

type ProgressRow = {
  readonly name: string
  readonly generation: number
  readonly state: ProjectionProgress['state']
  readonly position: string | null
  readonly parked: number
  readonly owner: string | null
}

/** One row per read model of this version, also for one that never ran. */
async function readProgress(pool: Pool, projections: readonly Pick<Projection, 'name' | 'version'>[]): Promise<readonly ProgressRow[]> {
  const { rows } = await pool.query<ProgressRow>({
    name: 'projection_progress',
    text: `select w.name, w.version as generation, s.position,
        case when s.owner is null or s.lease_until < clock_timestamp() then 'stopped' else s.status end as state,
        case when s.lease_until >= clock_timestamp() then s.owner end as owner,
        (select count(*)::int from es.parked_events p where p.subscription = w.subscription and p.resolved_at is null) as parked
      from unnest($1::text[], $2::int4[], $3::text[]) with ordinality as w (name, version, subscription, place)
      left join es.subscriptions s on s.name = w.subscription order by w.place`,
    values: [projections.map(({ name }) => name), projections.map(({ version }) => version), projections.map(subscriptionOf)],
  })
  return rows
}
