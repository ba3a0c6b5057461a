import { hash } from 'node:crypto'
import type { Clock } from '../../../domain/kernel/clock.ts'
import type { NewEvent, RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import { eventId } from '../../../domain/kernel/ids.ts'
import type { Position } from '../../../domain/kernel/position.ts'
import { platformTenant, streamRef } from '../../../domain/kernel/stream.ts'
import type { Vault } from '../../../domain/kernel/vault.ts'
import { openDelivery } from '../../deliveries/open-delivery.ts'
import { deliveryId as deliveryIdOf, storeDelivery } from '../../deliveries/receive-delivery.ts'
import { routeDelivery, type Routes } from '../../deliveries/route-delivery.ts'
import type { HandleDeliveries } from './handle-deliveries.ts'
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
  handle,
  clock,
}: {
  store: EventStore
  vault: Vault
  routes: Routes
  directory: { waitFor: (position: Position) => Promise<void> }
  memory: IntakeMemory
  handle: HandleDeliveries
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
    const events = await Array.fromAsync(store.readStream(stream, { attachments: true }))
    const [delivery] = events
    if (delivery === undefined) return
    // The tenant had it all along and the number came back to it: there is nothing to hand over, only to do.
    if (tenantId !== platformTenant) {
      await handle([delivery])
      return
    }
    const opened = await openDelivery(vault, delivery)
    if ('unreadable' in opened) return
    const app = typeof delivery.data['app'] === 'string' ? delivery.data['app'] : 'default'
    const sha256 = hash('sha256', opened.raw, 'hex')
    const routedTo = new Set(events.flatMap(({ type, data }) => (type === 'DeliveryRouted' ? [data['tenantId']] : [])))
    let expected = events.length
    for (const part of routeDelivery(opened.value, routes)) {
      if (part.tenantId === platformTenant || routedTo.has(part.tenantId)) continue
      await storeDelivery({ store, vault, clock }, { part, raw: opened.raw, sha256, app })
      const routed: NewEvent = {
        id: eventId(`${delivery.id} routed ${part.tenantId}`, stream, 0),
        type: 'DeliveryRouted',
        schemaVersion: 1,
        data: { tenantId: part.tenantId, deliveryId: deliveryIdOf(sha256) },
        meta: { occurredAt: clock().toISOString(), correlationId: stream.id, causationId: delivery.id, actor: { kind: 'process', id: 'intake' } },
      }
      await store.append({ stream, expected: expected++, events: [routed] })
    }
  }
}
