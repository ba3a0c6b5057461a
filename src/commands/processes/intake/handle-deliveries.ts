import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import { derivedId } from '../../../domain/kernel/ids.ts'
import { platformTenant } from '../../../domain/kernel/stream.ts'
import type { Vault } from '../../../domain/kernel/vault.ts'
import { openDelivery } from '../../deliveries/open-delivery.ts'
import { recordFailures, type Parked } from '../../deliveries/record-trouble.ts'
import { addressesOf } from '../../deliveries/route-delivery.ts'
import type { Failure, Leftover, Received } from './apply-items.ts'
import type { EarlyStatus } from './memory.ts'
import { translate } from './meta/translate.ts'

/** What is left of a page after everything that could be applied was. */
export type HandleDeliveries = (
  deliveries: readonly RecordedEvent[],
  waiting?: readonly EarlyStatus[],
) => Promise<{ early: readonly EarlyStatus[]; parked: readonly Parked[]; failures: readonly Failure[]; items: number }>

type Directory = { readonly waitFor: (position: RecordedEvent['position']) => Promise<void> }

/** Opens, translates and applies deliveries, together with statuses that had been waiting for their message. Failures are recorded on the delivery's stream. */
export function createHandleDeliveries({
  store,
  vault,
  directory,
  applyItems,
}: {
  store: EventStore
  vault: Vault
  directory: Directory
  applyItems: (items: readonly Received[]) => Promise<Leftover>
}): HandleDeliveries {
  return async (deliveries, waiting = []) => {
    const last = deliveries.at(-1)
    // A number that was connected before the delivery came must be known here too, though another subscription tells of it.
    if (last !== undefined) await directory.waitFor(last.position)
    const parked: Parked[] = []
    const unopened: Failure[] = []
    const items: Received[] = waiting.map(statusAgain)
    for (const delivery of deliveries) {
      const opened = await openDelivery(vault, delivery)
      const { tenantId, id: deliveryId } = delivery.stream
      if ('unreadable' in opened) {
        unopened.push({ tenantId, deliveryId, path: '', error: opened.unreadable })
      } else if (tenantId === platformTenant) {
        parked.push(parkedOf(delivery, opened.value))
      } else {
        for (const item of translate(opened.value, delivery.recordedAt)) items.push({ tenantId, deliveryId, causationId: delivery.id, item })
      }
    }
    const { early, unknownNumbers, failures } = await applyItems(items)
    const byId = new Map(deliveries.map((delivery) => [delivery.stream.id, delivery]))
    for (const [deliveryId, received] of Map.groupBy(unknownNumbers, (one) => one.deliveryId)) {
      const delivery = byId.get(deliveryId)
      if (delivery !== undefined) parked.push({ ...parkedOf(delivery, undefined), addresses: numbersOf(received) })
    }
    const all = [...unopened, ...failures]
    await recordFailures(store, all, byId)
    return { early, parked, failures: all, items: items.length }
  }
}

/** A status that came early, as if it came now. */
const statusAgain = ({ tenantId, deliveryId, report }: EarlyStatus): Received => ({
  tenantId,
  deliveryId,
  causationId: derivedId('early', deliveryId),
  item: { kind: 'status', path: '', phoneNumberId: '', callbackId: undefined, report },
})

function parkedOf(delivery: RecordedEvent, value: unknown): Parked {
  const { phoneNumberIds, wabaIds } = addressesOf(value)
  return {
    tenantId: delivery.stream.tenantId,
    deliveryId: delivery.stream.id,
    delivery,
    addresses: [...phoneNumberIds.map((id) => `number:${id}`), ...wabaIds.map((id) => `waba:${id}`)],
  }
}

const numbersOf = (received: readonly Received[]): readonly string[] => [
  ...new Set(received.flatMap(({ item }) => (item.kind === 'unreadable' ? [] : [`number:${item.phoneNumberId}`]))),
]
