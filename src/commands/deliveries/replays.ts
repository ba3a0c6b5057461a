import type { Pool } from 'pg'
import { fromStored } from '../../domain/kernel/codec.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { derivedId } from '../../domain/kernel/ids.ts'
import type { Position } from '../../domain/kernel/position.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import type { ReplayCounts, ReplayEvent, ReplayFilter } from '../../domain/replay/events.ts'
import { replay, type Replay } from '../../domain/replay/replay.ts'
import type { Commands } from '../kernel/execute.ts'

/** `total` and counts are those of the last finished portion while it runs; `total` is unknown before the replayer has come to it. */
export type ReplayView = {
  readonly id: string
  readonly state: 'running' | 'cancelled' | 'finished'
  readonly cancelled: boolean
  readonly filter: ReplayFilter
  readonly rate: number
  readonly total: number | undefined
  readonly counts: ReplayCounts
  readonly version: number
}

export type Replays = {
  readonly request: (wish: { filter: ReplayFilter; rate: number }, context: CommandContext) => Promise<{ replayId: string; position: Position }>
  readonly cancel: (replayId: string, context: CommandContext) => Promise<{ position: Position } | { refused: 'not_found' }>
  readonly get: (tenantId: string, replayId: string) => Promise<ReplayView | undefined>
}

export const noCounts: ReplayCounts = { matched: 0, replayed: 0, unreadable: 0, waiting: 0, items: 0, failed: 0 }

/** Replays of many deliveries: asked for and looked at here, done by the replayer. */
export function createReplays({
  commands,
  store,
  pool,
}: {
  commands: Commands
  store: Pick<EventStore, 'readStream'>
  /** Connections of the role recado_worker: a replay is looked up by its tenant and its id. */
  pool: Pool
}): Replays {
  return {
    async request({ filter, rate }, context) {
      const replayId = derivedId('replay', context.commandId)
      const outcome = await commands.execute(replay, replayId, { type: 'request', filter, rate }, context)
      if (!('position' in outcome)) throw new Error('a replay may always be asked for')
      return { replayId, position: outcome.position }
    },
    async cancel(replayId, context) {
      const outcome = await commands.execute(replay, replayId, { type: 'cancel' }, context)
      return 'position' in outcome ? { position: outcome.position } : { refused: 'not_found' }
    },
    async get(tenantId, id) {
      let state: Replay = replay.initial
      let version = 0
      for await (const event of store.readStream(streamRef('replay', tenantId, id))) {
        state = replay.evolve(state, fromStored<ReplayEvent>(event))
        version = event.version
      }
      if (state.status === 'none') return undefined
      const { status, cancelled, filter, rate } = state
      const view = { id, state: status, cancelled, filter, rate, version }
      if (state.counts !== undefined) return { ...view, total: state.counts.matched, counts: state.counts }
      const { rows } = await pool.query<ReplayCounts & { total: number }>(
        `select total, matched, replayed, unreadable, waiting, items, failed from work.replays where tenant_id = $1 and replay_id = $2`,
        [tenantId, id],
      )
      if (rows[0] === undefined) return { ...view, total: undefined, counts: noCounts }
      const { total, ...counts } = rows[0]
      return { ...view, total, counts }
    },
  }
}
