import type { CommandContext } from '../../domain/kernel/context.ts'
import type { NewEvent, RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { eventId } from '../../domain/kernel/ids.ts'
import type { Position } from '../../domain/kernel/position.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import type { WouldAppend } from '../kernel/dry-run.ts'
import type { HandleDeliveries } from '../processes/intake/handle-deliveries.ts'
import { openDelivery } from './open-delivery.ts'

export type ReplayOutcome =
  /** `waiting`: (part of) it still waits for its number to be connected. `events`: what a dry run would have appended. */
  | {
      readonly position: Position
      readonly items: number
      readonly failed: number
      readonly waiting: boolean
      readonly events?: readonly WouldAppend[]
    }
  | { readonly missing: true }
  | { readonly unreadable: string }

export type ReplayDelivery = (input: { deliveryId: string; dryRun: boolean }, context: CommandContext) => Promise<ReplayOutcome>

/** The intake on a store that keeps nothing, for one dry run. */
export type Rehearse = () => { readonly handle: HandleDeliveries; readonly appended: () => readonly WouldAppend[] }

/**
 * Applies a stored delivery again. What it did the first time it does not do twice; what failed or was parked gets another chance.
 * The same command id again finds its own note and only repeats what it says.
 */
export function createReplayDelivery({
  store,
  handle,
  rehearse,
  remember,
}: {
  store: EventStore
  handle: HandleDeliveries
  rehearse: Rehearse
  remember: (left: Pick<Awaited<ReturnType<HandleDeliveries>>, 'early' | 'parked'>) => Promise<void>
}): ReplayDelivery {
  async function dry(delivery: RecordedEvent, position: Position): Promise<ReplayOutcome> {
    const { handle: tryOut, appended } = rehearse()
    const { items, failures, parked } = await tryOut([delivery])
    return { position, items, failed: failures.length, waiting: parked.length > 0, events: appended() }
  }

  return async ({ deliveryId, dryRun }, context) => {
    const stream = streamRef('delivery', context.tenantId, deliveryId)
    const events = await Array.fromAsync(store.readStream(stream, { attachments: true }))
    const [delivery] = events
    const last = events.at(-1)
    if (delivery === undefined || last === undefined) return { missing: true }
    const id = eventId(context.commandId, stream, 0)
    const before = events.find((event) => event.id === id)
    if (before !== undefined) {
      return { position: before.position, items: Number(before.data['items']), failed: Number(before.data['failed']), waiting: false }
    }
    const opened = openDelivery(delivery)
    if ('unreadable' in opened) return opened
    if (dryRun) return dry(delivery, last.position)
    const { items, failures, early, parked } = await handle([delivery])
    await remember({ early, parked })
    // What still waits was not replayed: noted as such it would be shown as processed.
    if (parked.length > 0) return { position: last.position, items, failed: failures.length, waiting: true }
    const { actor, at, correlationId, causationId, ip } = context
    const replayed: NewEvent = {
      id,
      type: 'DeliveryReplayed',
      schemaVersion: 1,
      data: { items, failed: failures.length },
      meta: { occurredAt: at.toISOString(), correlationId, causationId, actor, ...(ip === undefined ? {} : { ip }) },
    }
    const result = await store.append({ stream, expected: 'exists', events: [replayed] })
    return { position: result.outcome === 'conflict' ? last.position : result.position, items, failed: failures.length, waiting: false }
  }
}
