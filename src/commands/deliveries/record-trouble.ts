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
export type ItemFailure = {
  readonly tenantId: string
  readonly deliveryId: string
  readonly path: string
  readonly error: string
  /** What it would have been, and on which number, as far as that could be told. */
  readonly item?: string
  readonly phoneNumberId?: string
}

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

/** A delivery's parts for several tenants have the same id, each in its own tenant. */
export const deliveryKey = ({ tenantId, deliveryId }: { readonly tenantId: string; readonly deliveryId: string }): string =>
  `${tenantId}/${deliveryId}`

/** By `deliveryKey`: notes which items of a delivery could not be applied, and why. */
export async function recordFailures(
  store: EventStore,
  failures: readonly ItemFailure[],
  deliveries: ReadonlyMap<string, RecordedEvent>,
): Promise<void> {
  await Promise.all(
    [...Map.groupBy(failures, deliveryKey)].map(async ([key, all]) => {
      const delivery = deliveries.get(key)
      if (delivery === undefined) return
      await note(
        store,
        delivery,
        fewOf(all).map(({ path, error, item, phoneNumberId }) => ({
          type: 'DeliveryItemFailed',
          path,
          error,
          ...(item === undefined ? {} : { item }),
          ...(phoneNumberId === undefined ? {} : { phoneNumberId }),
        })),
      )
    }),
  )
}

/** What is wrong with the hundredth item is wrong with the others, too; thousands of notes would make an append that nobody else's fits beside. */
const mostNotes = 100

/** The first of them, and how many more there are. */
function fewOf(failures: readonly ItemFailure[]): readonly ItemFailure[] {
  const [first] = failures
  if (first === undefined || failures.length <= mostNotes) return failures
  const { tenantId, deliveryId } = first
  const error = `${failures.length - mostNotes} further items could not be applied either`
  return [...failures.slice(0, mostNotes), { tenantId, deliveryId, path: '', error }]
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
  // Behind whatever is noted already; what is there needs no second note, for a repeated page repeats the ids.
  let expected = version
  for (let tries = 0; tries < 10; tries++) {
    const present = tries === 0 ? new Set<string>() : new Set((await Array.fromAsync(store.readStream(stream))).map((event) => event.id))
    if (tries > 0) expected = present.size
    const missing = stored.filter((event) => !present.has(event.id))
    if (missing.length === 0 || (await store.append({ stream, expected, events: missing })).outcome !== 'conflict') return
  }
  throw new Error('a delivery changed under every one of 10 tries to note something on it')
}
