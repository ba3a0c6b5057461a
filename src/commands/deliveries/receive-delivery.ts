import { hash } from 'node:crypto'
import type { Clock } from '../../domain/kernel/clock.ts'
import type { NewEvent } from '../../domain/kernel/envelope.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { eventId } from '../../domain/kernel/ids.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import type { Vault } from '../../domain/kernel/vault.ts'
import { routeDelivery, type Part, type Routes } from './route-delivery.ts'

/** Whose key seals raw deliveries: they hold several people's words at once, and go with their attachments when retention purges them. */
export const deliverySubject = 'deliveries'

/** `tenantId`: whose own Meta app signed it. Its secret proves nothing about other tenants' numbers, so all of it stays with that tenant. */
export type ReceiveDelivery = (delivery: { raw: Uint8Array; parsed: unknown; app: string; tenantId?: string | undefined }) => Promise<void>

/**
 * Stores a verified delivery, sealed, before anybody says 200. The stream's id derives from the bytes: the same delivery sent again is already there,
 * however many requests and processes bring it at once.
 * @throws StoreUnavailable when it could not be made durable; nothing may be acknowledged then.
 */
export function createReceiveDelivery({
  store,
  vault,
  routes,
  clock,
}: {
  store: EventStore
  vault: Vault
  routes: Routes
  clock: Clock
}): ReceiveDelivery {
  return async ({ raw, parsed, app, tenantId }) => {
    const sha256 = hash('sha256', raw, 'hex')
    const parts: readonly Part[] = tenantId === undefined ? routeDelivery(parsed, routes) : [{ tenantId, value: undefined }]
    await Promise.all(parts.map((part) => storeDelivery({ store, vault, clock }, { part, raw, sha256, app })))
  }
}

/** One tenant's part (or the whole) of a delivery into that tenant's stream. Returns the delivery's id. */
export async function storeDelivery(
  { store, vault, clock }: { store: EventStore; vault: Vault; clock: Clock },
  { part, raw, sha256, app }: { part: Part; raw: Uint8Array; sha256: string; app: string },
): Promise<string> {
  const { tenantId } = part
  const bytes = part.value === undefined ? raw : Buffer.from(JSON.stringify(part.value))
  const id = sha256.slice(0, 32)
  const stream = streamRef('delivery', tenantId, id)
  const event = eventId(sha256, stream, 0)
  await vault.ensure(tenantId, [deliverySubject])
  const received: NewEvent = {
    id: event,
    type: 'WebhookReceived',
    schemaVersion: 1,
    data: { provider: 'meta', app, sha256, bytes: bytes.length, ...(part.value === undefined ? {} : { partOf: sha256 }) },
    meta: { occurredAt: clock().toISOString(), correlationId: id, causationId: id, actor: { kind: 'provider', id: 'meta' } },
    attachment: vault.sealBytes({ tenantId, subject: deliverySubject, eventId: event, field: 'raw' }, bytes),
  }
  await store.append({ stream, expected: 0, events: [received] })
  return id
}
