import { derivedId } from '../../domain/kernel/ids.ts'
import type { Position } from '../../domain/kernel/position.ts'
import type { Rebuild } from '../../projections/engine/rebuilds.ts'
import { renderRebuild } from '../projections/rebuilds.ts'
import type { RebuildProgress } from './frames.ts'
import type { Published } from './listener.ts'

/** What may be told of a rebuild: all of it, or what tells nothing of how much other organisations have in the log. As text, to see whether it changed. */
type Views = { readonly full: string; readonly outline: string }

export function viewsOf(rebuild: Rebuild): Views {
  const { id, kind, projections, tenant_id, state, created_at: _c, started_at: _s, ended_at: _e, ...figures } = renderRebuild(rebuild)
  const outline: RebuildProgress = { rebuild_id: id, kind, projections, tenant_id, state, percent: percentOf(rebuild) }
  return { full: JSON.stringify({ ...outline, ...figures } satisfies RebuildProgress), outline: JSON.stringify(outline) }
}

function percentOf({ state, eventsDone, eventsTotal }: Rebuild): number | null {
  if (state === 'live') return 100
  if (eventsTotal === undefined) return null
  return eventsTotal === 0 ? 100 : Math.min(100, Math.floor((100 * eventsDone) / eventsTotal))
}

/**
 * The operator is told of every rebuild and an organisation of its own, in full; of a rebuild of all organisations each is told the outline, without figures
 * and without the error, which names a place and an event that may be another's. What reads as it did `before` is not told again.
 */
export function publishProgress(rebuild: Rebuild, now: Views, before?: Views): (tenantId: string, reached: Position) => Published {
  const { id, state, tenantId: concerned, updatedAt } = rebuild
  const at = updatedAt.toISOString()
  const made = new Map<string, Buffer>()
  const frame = (view: keyof Views, position: Position): Buffer =>
    made.getOrInsertComputed(`${view} ${position}`, () => {
      const head = JSON.stringify({ id: derivedId('feed', id, state, at, view), type: 'projection.progress', position, occurred_at: at })
      return Buffer.from(`${head.slice(0, -1)},"data":${now[view]}}`)
    })
  const viewFor = (tenantId: string, isOperator: boolean): keyof Views | undefined => {
    if (isOperator || tenantId === concerned) return 'full'
    return concerned === undefined ? 'outline' : undefined
  }
  return (tenantId, position) => ({
    position,
    framesFor({ wants, isOperator }) {
      const view = wants('projection.progress') ? viewFor(tenantId, isOperator) : undefined
      return view === undefined || now[view] === before?.[view] ? [] : [frame(view, position)]
    },
  })
}
