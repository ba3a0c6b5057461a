import { hash } from 'node:crypto'
import type { Clock } from '../../domain/kernel/clock.ts'
import type { NewEvent } from '../../domain/kernel/envelope.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { platformTenant, streamRef } from '../../domain/kernel/stream.ts'
import { deliveryId } from './delivery-id.ts'
import type { Outline } from './outline.ts'
import { routeDelivery, type Part, type Routes } from './route-delivery.ts'

/** `tenantId`: whose own Meta app signed it. Its secret proves nothing about other tenants' numbers, so all of it stays with that tenant. */
export type ReceiveDelivery = (delivery: { raw: Uint8Array; outline: Outline; app: string; tenantId?: string | undefined }) => Promise<unknown>

/**
 * Stores a verified delivery (the store seals it) before anybody says 200. The stream's id derives from the bytes: the same delivery sent again is already there,
 * however many requests and processes bring it at once.
 * The hottest path there is: one tenant and no promise beside the append's own is what nearly every delivery takes.
 * @throws StoreUnavailable when it could not be made durable; nothing may be acknowledged then.
 */
export function createReceiveDelivery({ store, routes, clock }: Deps & { routes: Routes }): ReceiveDelivery {
  const deps = { store, clock }
  return ({ raw, outline: { soleNumber }, app, tenantId }) => {
    const sha256 = hash('sha256', raw, 'hex')
    const owner = tenantId ?? (soleNumber === undefined ? undefined : (routes.channelOfNumber(soleNumber)?.tenantId ?? platformTenant))
    if (owner !== undefined) return storeDelivery(deps, { part: { tenantId: owner, value: undefined }, raw, sha256, app })
    const parts = routeDelivery(JSON.parse(Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('utf8')), routes)
    return Promise.all(parts.map((part) => storeDelivery(deps, { part, raw, sha256, app })))
  }
}

type Deps = { readonly store: Pick<EventStore, 'append'>; readonly clock: Clock }

/** One tenant's part (or the whole) of a delivery into that tenant's stream, under `deliveryId`. */
export function storeDelivery(
  { store, clock }: Deps,
  { part, raw, sha256, app }: { part: Part; raw: Uint8Array; sha256: string; app: string },
): Promise<unknown> {
  const { tenantId } = part
  const bytes = part.value === undefined ? raw : Buffer.from(JSON.stringify(part.value))
  const id = deliveryId(raw, sha256)
  const received: NewEvent = {
    id: receivedId(id),
    type: 'WebhookReceived',
    schemaVersion: 1,
    data: { provider: 'meta', app, sha256, bytes: bytes.length, ...(part.value === undefined ? undefined : { partOf: sha256 }) },
    meta: { occurredAt: clock().toISOString(), correlationId: id, causationId: id, actor },
    attachment: bytes,
  }
  return store.append({ stream: streamRef('delivery', tenantId, id), expected: 0, events: [received] })
}

const actor = { kind: 'provider', id: 'meta' } as const

/** A uuid (version 8) of the delivery's own id: unique as it is, and beside the others of the moment. The tenants of a shared delivery have it in streams of their own. */
const receivedId = (id: string): string => `${id.slice(0, 8)}-${id.slice(8, 12)}-8${id.slice(13, 16)}-a${id.slice(17, 20)}-${id.slice(20, 32)}`
