import type { ReplayDelivery } from '../../commands/deliveries/replay-delivery.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import { later, start, type Position } from '../../domain/kernel/position.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { listDeliveries, type DeliveryView } from '../../projections/deliveries/queries.ts'
import { BadCursor } from '../../projections/engine/page.ts'

/**
 * Failed ones first: a parked one that fails when it is replayed becomes a failed one, and is then not met a second time on the same walk.
 */
export const replayableStates = ['failed', 'parked'] as const
type ReplayableState = (typeof replayableStates)[number]

/** Most deliveries of one request: each is applied before the answer, so that the answer can say what came of it. */
export const mostReplayed = 200

export type Replayed = {
  readonly matched: number
  /** Of these; the others have no body any more, or still wait for their number. None in a dry run. */
  readonly replayed: number
  readonly unreadable: number
  readonly waiting: number
  readonly items: number
  readonly failed: number
  readonly next: string | undefined
  readonly position: Position | undefined
}

type Wish = { readonly state?: ReplayableState | undefined; readonly dryRun: boolean; readonly limit: number; readonly cursor?: string | undefined }

/** Applies a tenant's stuck deliveries again, newest first, a bounded number at a time; `next` goes on where this ended. @throws BadCursor */
export async function replayMany(
  { reader, replay }: { reader: TenantQueries; replay: ReplayDelivery },
  { state, dryRun, limit, cursor }: Wish,
  context: CommandContext,
): Promise<Replayed> {
  const { rows, next } = await stuck(reader, context.tenantId, { states: state === undefined ? replayableStates : [state], cursor, limit })
  let [replayed, unreadable, waiting, items, failed] = [0, 0, 0, 0, 0]
  let position = start
  for (const { id } of rows) {
    const outcome = await replay({ deliveryId: id, dryRun }, context)
    if (!('position' in outcome)) {
      unreadable++
      continue
    }
    if (outcome.waiting) waiting++
    else if (!dryRun) replayed++
    items += outcome.items
    failed += outcome.failed
    position = later(position, outcome.position)
  }
  return { matched: rows.length, replayed, unreadable, waiting, items, failed, next, position: replayed === 0 ? undefined : position }
}

/** The next page over several states, one after the other: a cursor is the state's name and the place in its list. */
async function stuck(
  reader: TenantQueries,
  tenantId: string,
  { states, cursor, limit }: { states: readonly ReplayableState[]; cursor: string | undefined; limit: number },
): Promise<{ readonly rows: readonly DeliveryView[]; readonly next: string | undefined }> {
  const [at, place] = cursor?.split('.') ?? []
  const from = at === undefined ? 0 : states.findIndex((state) => state === at)
  if (from < 0) throw new BadCursor('not a cursor of this list')
  const rows: DeliveryView[] = []
  for (const [nth, state] of states.slice(from).entries()) {
    if (rows.length === limit) return { rows, next: state }
    const within = nth === 0 && place !== undefined && place !== '' ? { cursor: place } : {}
    const page = await listDeliveries(reader, tenantId, { state, limit: limit - rows.length, ...within })
    rows.push(...page.rows)
    if (page.nextCursor !== undefined) return { rows, next: `${state}.${page.nextCursor}` }
  }
  return { rows, next: undefined }
}
