import { hash } from 'node:crypto'
import type { Clock } from '../../domain/kernel/clock.ts'
import type { NewEvent, RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { eventId } from '../../domain/kernel/ids.ts'
import { platformTenant } from '../../domain/kernel/stream.ts'
import { deliveryId } from './delivery-id.ts'
import { storeDelivery } from './receive-delivery.ts'
import { addressesOf, routeDelivery, type Routes } from './route-delivery.ts'

/** Gives a delivery of the platform to the tenants that own it now. Answers what nobody owns yet (`number:…`, `waba:…`), or that nothing is left. */
export type HandOver = (delivery: RecordedEvent, opened: { readonly raw: Uint8Array; readonly value: unknown }) => Promise<'all' | readonly string[]>

/** Each tenant gets its part as a delivery of its own, further on in the log. Ids derive from the bytes, so doing it again after a crash does nothing. */
export function createHandOver({ store, routes, clock }: { store: EventStore; routes: Routes; clock: Clock }): HandOver {
  return async (delivery, { raw, value }) => {
    const parts = routeDelivery(value, routes)
    const owned = parts.filter(({ tenantId }) => tenantId !== platformTenant)
    if (owned.length > 0) {
      const events = await Array.fromAsync(store.readStream(delivery.stream))
      const routedTo = new Set(events.flatMap(({ type, data }) => (type === 'DeliveryRouted' ? [data['tenantId']] : [])))
      const app = typeof delivery.data['app'] === 'string' ? delivery.data['app'] : 'default'
      const sha256 = hash('sha256', raw, 'hex')
      let expected = events.length
      for (const part of owned.filter(({ tenantId }) => !routedTo.has(tenantId))) {
        await storeDelivery({ store, clock }, { part, raw, sha256, app })
        const routed: NewEvent = {
          id: eventId(`${delivery.id} routed ${part.tenantId}`, delivery.stream, 0),
          type: 'DeliveryRouted',
          schemaVersion: 1,
          data: { tenantId: part.tenantId, deliveryId: deliveryId(raw, sha256) },
          meta: {
            occurredAt: clock().toISOString(),
            correlationId: delivery.stream.id,
            causationId: delivery.id,
            actor: { kind: 'process', id: 'intake' },
          },
        }
        await store.append({ stream: delivery.stream, expected: expected++, events: [routed] })
      }
    }
    const rest = parts.find(({ tenantId }) => tenantId === platformTenant)
    if (rest === undefined) return 'all'
    const { phoneNumberIds, wabaIds } = addressesOf(rest.value ?? value)
    return [...phoneNumberIds.map((id) => `number:${id}`), ...wabaIds.map((id) => `waba:${id}`)]
  }
}
