import { randomUUID } from 'node:crypto'
import type { NewEvent, RecordedEvent } from '../../src/domain/kernel/envelope.ts'
import type { Delivery, EventStore, LogSubscription } from '../../src/domain/kernel/event-store.ts'
import { streamRef, type Category, type StreamRef } from '../../src/domain/kernel/stream.ts'

/** A stream nobody else uses. */
export const someStream = (tenantId: string = randomUUID(), category: Category = 'conversation'): StreamRef =>
  streamRef(category, tenantId, randomUUID())

/** Made-up events: what a store keeps does not depend on what they mean. */
export const someEvents = (count = 1, change: Partial<NewEvent> = {}): NewEvent[] =>
  Array.from({ length: count }, (_, index) => ({
    id: randomUUID(),
    type: 'MessageReceived',
    schemaVersion: 1,
    data: { nth: index },
    meta: {
      occurredAt: '2026-01-01T12:00:00.000Z',
      correlationId: 'correlation',
      causationId: 'causation',
      actor: { kind: 'process', id: 'test' },
    },
    ...change,
  }))

export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const one of source) all.push(one)
  return all
}

/** Follows the log until `enough` says so, then lets go of the subscription. */
export async function followUntil(
  store: EventStore,
  subscription: Omit<LogSubscription, 'signal'>,
  enough: (seen: readonly RecordedEvent[], delivery: Delivery) => boolean,
): Promise<{ events: RecordedEvent[]; deliveries: Delivery[] }> {
  const stop = new AbortController()
  const events: RecordedEvent[] = []
  const deliveries: Delivery[] = []
  for await (const delivery of store.subscribe({ ...subscription, signal: stop.signal })) {
    deliveries.push(delivery)
    if (delivery.kind === 'page') events.push(...delivery.events)
    if (enough(events, delivery)) stop.abort()
  }
  return { events, deliveries }
}
