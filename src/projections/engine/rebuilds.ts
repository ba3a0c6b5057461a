import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import type { Actor } from '../../domain/kernel/envelope.ts'
import { positionOf, type Position } from '../../domain/kernel/position.ts'
import { inTransaction } from '../../postgres/transaction.ts'
import { generationsOf, lockGenerations } from './generations.ts'
import type { Projection } from './projection.ts'

/** created → copying → indexing → catching_up → verifying → ready → live; aborted or failed from any of those before live. */
export type RebuildState = 'created' | 'copying' | 'indexing' | 'catching_up' | 'verifying' | 'ready' | 'live' | 'aborted' | 'failed'

/** `code` is stable; `position` and `type` are those of the event that could not be applied. Never a value of an event. */
export type RebuildError = { readonly code: string; readonly detail: string; readonly position?: string; readonly type?: string }

export type Rebuild = {
  readonly id: string
  /** `rebuild` was asked for; `upgrade`: a new version of the read model; `rollback`: back to what was live before. */
  readonly kind: 'rebuild' | 'upgrade' | 'rollback'
  readonly projections: readonly string[]
  readonly versions: readonly number[]
  readonly tenantId: string | undefined
  readonly state: RebuildState
  readonly token: string
  readonly target: Position | undefined
  readonly position: Position
  /** Of the log, up to where it ended when copying began; starts over when copying has to. What comes later is caught up with and not counted here. */
  readonly eventsDone: number
  readonly eventsTotal: number | undefined
  readonly eventsPerSecond: number | undefined
  readonly etaSeconds: number | undefined
  readonly attempts: number
  readonly rowCounts: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly createdAt: Date
  readonly startedAt: Date | undefined
  readonly updatedAt: Date
  readonly endedAt: Date | undefined
  readonly error: RebuildError | undefined
}

export const isOver = (state: RebuildState): boolean => state === 'live' || state === 'aborted' || state === 'failed'

export type RebuildRequest = { readonly projections: readonly string[]; readonly tenantId?: string | undefined; readonly requestedBy: Actor }
export type RebuildAnswer =
  | { readonly rebuild: Rebuild }
  | { readonly refused: 'unknown_projection' | 'no_previous_generation' }
  | { readonly refused: 'rebuild_running'; readonly running: string }

/** What people ask of rebuilds; `run-rebuilds.ts` does them, in any process that has workers. */
export type Rebuilds = {
  readonly request: (request: RebuildRequest) => Promise<RebuildAnswer>
  /** Back to what was live before the last switch, for as long as that is kept. Only of the version that this program has. */
  readonly rollBack: (request: { readonly projection: string; readonly requestedBy: Actor }) => Promise<RebuildAnswer>
  readonly get: (id: string) => Promise<Rebuild | undefined>
  readonly list: (limit?: number) => Promise<readonly Rebuild[]>
  /** Those that are not over, those that ended in the last moments, and those named, in whatever state: for who looks again and again. */
  readonly underWay: (named: readonly string[]) => Promise<readonly Rebuild[]>
  /** The rebuild as it is then; one that is over stays what it is. */
  readonly abort: (id: string) => Promise<Rebuild | undefined>
}

/** @param pool connections of the role recado_worker */
export function createRebuilds({ pool, projections }: { pool: Pool; projections: readonly Pick<Projection, 'name' | 'version'>[] }): Rebuilds {
  async function insert(kind: 'rebuild' | 'rollback', { projections: names, tenantId, requestedBy }: RebuildRequest): Promise<RebuildAnswer> {
    const wanted = [...new Set(names)].map((name) => projections.find((projection) => projection.name === name))
    if (wanted.length === 0 || wanted.includes(undefined)) return { refused: 'unknown_projection' }
    const versions = wanted.flatMap((projection) => (projection === undefined ? [] : [projection.version]))
    return inTransaction(pool, async (client) => {
      await lockGenerations(client)
      const { rows: open } = await client.query<{ id: string }>(
        `select id from es.rebuilds where projections && $1 and state not in ('live', 'aborted', 'failed')`,
        [names],
      )
      if (open[0] !== undefined) return { refused: 'rebuild_running', running: open[0].id }
      if (kind === 'rollback') {
        const generations = await generationsOf(client, names[0] ?? '')
        if (!generations.some(({ state, version }) => state === 'previous' && version === versions[0])) return { refused: 'no_previous_generation' }
      }
      const { rows } = await client.query<RebuildRow>(
        `insert into es.rebuilds (id, kind, projections, versions, tenant_id, requested_by) values ($1, $2, $3, $4, $5, $6) returning *`,
        [randomUUID(), kind, [...new Set(names)], versions, tenantId ?? null, JSON.stringify({ kind: requestedBy.kind, id: requestedBy.id })],
      )
      return { rebuild: only(rows) }
    })
  }

  return {
    request: async (request) => insert('rebuild', request),
    rollBack: async ({ projection, requestedBy }) => insert('rollback', { projections: [projection], requestedBy }),
    async get(id) {
      const { rows } = await pool.query<RebuildRow>('select * from es.rebuilds where id = $1', [id])
      return rows[0] === undefined ? undefined : rebuildOf(rows[0])
    },
    async list(limit = 50) {
      const { rows } = await pool.query<RebuildRow>('select * from es.rebuilds order by created_at desc limit $1', [limit])
      return rows.map(rebuildOf)
    },
    async underWay(named) {
      const { rows } = await pool.query<RebuildRow>(
        `select * from es.rebuilds where state not in ('live', 'aborted', 'failed') or id = any($1) or ended_at > clock_timestamp() - interval '15 seconds'
         order by created_at`,
        [named],
      )
      return rows.map(rebuildOf)
    },
    async abort(id) {
      // The switch asks for the state in its own transaction: either this comes first and nothing is switched, or it finds the rebuild live.
      await pool.query(
        `update es.rebuilds set state = 'aborted', ended_at = clock_timestamp(), updated_at = clock_timestamp()
         where id = $1 and state not in ('live', 'aborted', 'failed')`,
        [id],
      )
      return this.get(id)
    },
  }
}

export type RebuildRow = {
  readonly id: string
  readonly kind: Rebuild['kind']
  readonly projections: string[]
  readonly versions: number[]
  readonly tenant_id: string | null
  readonly state: RebuildState
  readonly token: string
  readonly target_position: string | null
  readonly position: string
  readonly events_done: string
  readonly events_total: string | null
  readonly events_per_second: number | null
  readonly attempts: number
  readonly row_counts: Rebuild['rowCounts'] | null
  readonly created_at: Date
  readonly started_at: Date | null
  readonly updated_at: Date
  readonly ended_at: Date | null
  readonly error: RebuildError | null
}

function only(rows: readonly RebuildRow[]): Rebuild {
  const [row] = rows
  if (row === undefined) throw new Error('no rebuild was written')
  return rebuildOf(row)
}

export function rebuildOf(row: RebuildRow): Rebuild {
  const eventsDone = Number(row.events_done)
  const eventsTotal = row.events_total === null ? undefined : Number(row.events_total)
  const rate = row.events_per_second ?? undefined
  const left = eventsTotal === undefined ? undefined : Math.max(0, eventsTotal - eventsDone)
  return {
    id: row.id,
    kind: row.kind,
    projections: row.projections,
    versions: row.versions,
    tenantId: row.tenant_id ?? undefined,
    state: row.state,
    token: row.token,
    target: row.target_position === null ? undefined : positionOf(row.target_position),
    position: positionOf(row.position),
    eventsDone,
    eventsTotal,
    eventsPerSecond: rate,
    etaSeconds: isOver(row.state) || left === undefined || rate === undefined || rate === 0 ? undefined : Math.ceil(left / rate),
    attempts: row.attempts,
    rowCounts: row.row_counts ?? {},
    createdAt: row.created_at,
    startedAt: row.started_at ?? undefined,
    updatedAt: row.updated_at,
    endedAt: row.ended_at ?? undefined,
    error: row.error ?? undefined,
  }
}
