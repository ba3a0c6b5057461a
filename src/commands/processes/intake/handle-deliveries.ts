import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import { derivedId } from '../../../domain/kernel/ids.ts'
import { platformTenant } from '../../../domain/kernel/stream.ts'
import { openDelivery } from '../../deliveries/open-delivery.ts'
import type { HandOver } from '../../deliveries/hand-over.ts'
import { deliveryKey, recordFailures, type Parked } from '../../deliveries/record-trouble.ts'
import type { Failure, Leftover, Received } from './apply-items.ts'
import { mayWait } from './may-wait.ts'
import type { EarlyStatus } from './memory.ts'
import { translate } from './meta/translate.ts'

/** What is left of a page after everything that could be applied was. */
export type HandleDeliveries = (
  deliveries: readonly RecordedEvent[],
  waiting?: readonly EarlyStatus[],
  options?: { readonly postponeHistory: boolean },
) => Promise<{
  early: readonly EarlyStatus[]
  parked: readonly Parked[]
  failures: readonly Failure[]
  items: number
  postponed?: readonly RecordedEvent[]
}>

type Directory = { readonly waitFor: (position: RecordedEvent['position']) => Promise<void> }

/**
 * Opens, translates and applies deliveries, together with statuses that had been waiting for their message. Failures are recorded on the delivery's stream.
 * With `postponeHistory`, deliveries for which nobody waits (see `mayWait`) are named and left alone.
 * What lies with the platform is looked at once more: its number may have been connected while it was on its way into the log.
 */
export function createHandleDeliveries({ store, directory, handOver, applyItems }: Deps): HandleDeliveries {
  return async (deliveries, waiting = [], { postponeHistory } = { postponeHistory: false }) => {
    const last = deliveries.at(-1)
    // A number that was connected before the delivery came must be known here too, though another subscription tells of it.
    if (last !== undefined) await directory.waitFor(last.position)
    const parked: Parked[] = []
    const unopened: Failure[] = []
    const postponed: RecordedEvent[] = []
    const items: Received[] = waiting.map(statusAgain)
    for (const delivery of deliveries) {
      const opened = openDelivery(delivery)
      const { tenantId, id: deliveryId } = delivery.stream
      if ('unreadable' in opened) {
        unopened.push({ tenantId, deliveryId, path: '', error: opened.unreadable })
      } else if (tenantId === platformTenant) {
        const addresses = await handOver(delivery, opened)
        if (addresses !== 'all') parked.push({ tenantId, deliveryId, delivery, addresses })
      } else {
        const translated = translate(opened.value, delivery.recordedAt, opened.raw.byteLength)
        if (postponeHistory && mayWait(translated)) postponed.push(delivery)
        else for (const item of translated) items.push({ tenantId, deliveryId, causationId: delivery.id, item })
      }
    }
    const { early, unknownNumbers, failures } = await applyItems(items)
    const byKey = new Map(
      deliveries.map((delivery) => [deliveryKey({ tenantId: delivery.stream.tenantId, deliveryId: delivery.stream.id }), delivery]),
    )
    for (const [key, received] of Map.groupBy(unknownNumbers, deliveryKey)) {
      const delivery = byKey.get(key)
      if (delivery !== undefined)
        parked.push({ tenantId: delivery.stream.tenantId, deliveryId: delivery.stream.id, delivery, addresses: numbersOf(received) })
    }
    const all = [...unopened, ...failures]
    await recordFailures(store, all, byKey)
    return { early, parked, failures: all, items: items.length, postponed }
  }
}

type Deps = {
  readonly store: EventStore
  readonly directory: Directory
  readonly handOver: HandOver
  readonly applyItems: (items: readonly Received[]) => Promise<Leftover>
}

/** A status that came early, as if it came now. */
const statusAgain = ({ tenantId, deliveryId, report }: EarlyStatus): Received => ({
  tenantId,
  deliveryId,
  causationId: derivedId('early', deliveryId),
  item: { kind: 'status', path: '', phoneNumberId: '', callbackId: undefined, report },
})

const numbersOf = (received: readonly Received[]): readonly string[] => [
  ...new Set(received.flatMap(({ item }) => ('phoneNumberId' in item && item.phoneNumberId !== undefined ? [`number:${item.phoneNumberId}`] : []))),
]
