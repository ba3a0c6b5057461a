import { hash } from 'node:crypto'
import type { Clock } from '../../../domain/kernel/clock.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import { eventId } from '../../../domain/kernel/ids.ts'
import type { Position } from '../../../domain/kernel/position.ts'
import { streamRef } from '../../../domain/kernel/stream.ts'
import type { Vault } from '../../../domain/kernel/vault.ts'
import { openDelivery } from '../../deliveries/open-delivery.ts'
import { storeDelivery } from '../../deliveries/receive-delivery.ts'
import { routeDelivery, type Routes } from '../../deliveries/route-delivery.ts'
import type { IntakeMemory, ParkedDelivery } from './memory.ts'

export type UnparkDeliveries = (channelsAdded: readonly RecordedEvent[]) => Promise<readonly ParkedDelivery[]>

/**
 * A number was connected: what was parked for it is handed to its tenant as a delivery of its own, which the intake then meets further on in the log.
 * Ids derive from the bytes, so doing it again after a crash does nothing.
 */
export function createUnparkDeliveries({
  store,
  vault,
  routes,
  directory,
  memory,
  clock,
}: {
  store: EventStore
  vault: Vault
  routes: Routes
  directory: { waitFor: (position: Position) => Promise<void> }
  memory: IntakeMemory
  clock: Clock
}): UnparkDeliveries {
  return async (channelsAdded) => {
    const last = channelsAdded.at(-1)
    if (last === undefined) return []
    await directory.waitFor(last.position)
    const addresses = channelsAdded.flatMap(({ data }) => [`number:${String(data['phoneNumberId'])}`, `waba:${String(data['wabaId'])}`])
    const parked = await memory.parkedAt([...new Set(addresses)])
    for (const deliveryId of new Set(parked.map((one) => one.deliveryId))) {
      const [first] = parked.filter((one) => one.deliveryId === deliveryId)
      if (first !== undefined) await hand(first)
    }
    return parked
  }

  async function hand({ tenantId, deliveryId }: ParkedDelivery): Promise<void> {
    const stream = streamRef('delivery', tenantId, deliveryId)
    for await (const event of store.readStream(stream, { upTo: 1, attachments: true })) {
      const opened = await openDelivery(vault, event)
      if ('unreadable' in opened) return
      const app = typeof event.data['app'] === 'string' ? event.data['app'] : 'default'
      for (const part of routeDelivery(opened.value, routes)) {
        if (part.tenantId === tenantId) continue
        const sha256 = hash('sha256', opened.raw, 'hex')
        const routed = await storeDelivery({ store, vault, clock }, { part, raw: opened.raw, sha256, app })
        await store.append({
          stream,
          expected: 'exists',
          events: [
            {
              id: eventId(`${event.id} routed ${part.tenantId}`, stream, 0),
              type: 'DeliveryRouted',
              schemaVersion: 1,
              data: { tenantId: part.tenantId, deliveryId: routed },
              meta: { occurredAt: clock().toISOString(), correlationId: stream.id, causationId: event.id, actor: { kind: 'process', id: 'intake' } },
            },
          ],
        })
      }
    }
  }
}
