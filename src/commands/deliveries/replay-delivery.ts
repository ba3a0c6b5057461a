import type { CommandContext } from '../../domain/kernel/context.ts'
import type { NewEvent } from '../../domain/kernel/envelope.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { eventId } from '../../domain/kernel/ids.ts'
import type { Position } from '../../domain/kernel/position.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import type { Vault } from '../../domain/kernel/vault.ts'
import type { HandleDeliveries } from '../processes/intake/handle-deliveries.ts'
import { translate } from '../processes/intake/meta/translate.ts'
import { openDelivery } from './open-delivery.ts'

export type ReplayOutcome =
  /** `waiting`: (part of) it still waits for its number to be connected. */
  | { readonly position: Position; readonly items: number; readonly failed: number; readonly waiting: boolean }
  | { readonly missing: true }
  | { readonly unreadable: string }

export type ReplayDelivery = (input: { deliveryId: string; dryRun: boolean }, context: CommandContext) => Promise<ReplayOutcome>

/** Applies a stored delivery again. What it did the first time it does not do twice; what failed or was parked gets another chance. */
export function createReplayDelivery({
  store,
  vault,
  handle,
  remember,
}: {
  store: EventStore
  vault: Vault
  handle: HandleDeliveries
  remember: (left: Pick<Awaited<ReturnType<HandleDeliveries>>, 'early' | 'parked'>) => Promise<void>
}): ReplayDelivery {
  return async ({ deliveryId, dryRun }, context) => {
    const stream = streamRef('delivery', context.tenantId, deliveryId)
    const events = await Array.fromAsync(store.readStream(stream, { attachments: true }))
    const [delivery] = events
    const last = events.at(-1)
    if (delivery === undefined || last === undefined) return { missing: true }
    const opened = await openDelivery(vault, delivery)
    if ('unreadable' in opened) return opened
    if (dryRun) {
      const items = translate(opened.value, delivery.recordedAt)
      return { position: last.position, items: items.length, failed: items.filter(({ kind }) => kind === 'unreadable').length, waiting: false }
    }
    const { items, failures, early, parked } = await handle([delivery])
    await remember({ early, parked })
    // What still waits was not replayed: noted as such it would be shown as processed.
    if (parked.length > 0) return { position: last.position, items, failed: failures.length, waiting: true }
    const { actor, at, correlationId, causationId, commandId } = context
    const replayed: NewEvent = {
      id: eventId(commandId, stream, 0),
      type: 'DeliveryReplayed',
      schemaVersion: 1,
      data: { items, failed: failures.length },
      meta: { occurredAt: at.toISOString(), correlationId, causationId, actor },
    }
    const result = await store.append({ stream, expected: 'exists', events: [replayed] })
    return { position: result.outcome === 'conflict' ? last.position : result.position, items, failed: failures.length, waiting: false }
  }
}
