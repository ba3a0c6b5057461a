import type { DeliveryEvent } from '../../domain/delivery/events.ts'
import type { NewEvent, RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { eventId } from '../../domain/kernel/ids.ts'

export type Parked = {
  readonly tenantId: string
  readonly deliveryId: string
  readonly delivery: RecordedEvent
  readonly addresses: readonly string[]
}
export type ItemFailure = { readonly deliveryId: string; readonly path: string; readonly error: string }

/** Notes on deliveries that wait for their number. Repeating a page repeats the ids, so a note is there once. */
export async function recordParked(store: EventStore, parked: readonly Parked[]): Promise<void> {
  await Promise.all(
    parked.map(async ({ delivery, addresses }) => {
      const ids = (prefix: string): string[] => addresses.flatMap((address) => (address.startsWith(prefix) ? [address.slice(prefix.length)] : []))
      const phoneNumberIds = ids('number:')
      const detail =
        addresses.length === 0
          ? 'Nothing in it says which number or business account it is for.'
          : 'No tenant has connected this number yet. It is processed as soon as somebody does.'
      await note(store, delivery, [
        { type: 'DeliveryParked', reason: addresses.length === 0 ? 'unreadable' : 'unknown_number', phoneNumberIds, wabaIds: ids('waba:'), detail },
      ])
    }),
  )
}

/** Notes which items of a delivery could not be applied, and why. */
export async function recordFailures(
  store: EventStore,
  failures: readonly ItemFailure[],
  deliveries: ReadonlyMap<string, RecordedEvent>,
): Promise<void> {
  await Promise.all(
    [...Map.groupBy(failures, ({ deliveryId }) => deliveryId)].map(async ([deliveryId, all]) => {
      const delivery = deliveries.get(deliveryId)
      if (delivery === undefined) return
      await note(
        store,
        delivery,
        all.map(({ path, error }) => ({ type: 'DeliveryItemFailed', path, error })),
      )
    }),
  )
}

async function note(store: EventStore, delivery: RecordedEvent, events: readonly DeliveryEvent[]): Promise<void> {
  const { stream, id, version, meta } = delivery
  const stored = events.map(({ type, ...data }, index): NewEvent => ({
    id: eventId(`${id} ${type}`, stream, index),
    type,
    schemaVersion: 1,
    data,
    meta: { occurredAt: meta.occurredAt, correlationId: stream.id, causationId: id, actor: { kind: 'process', id: 'intake' } },
  }))
  // Right behind the delivery itself: a conflict that is no repeat means that somebody has dealt with this delivery meanwhile (routed or replayed it).
  await store.append({ stream, expected: version, events: stored })
}
