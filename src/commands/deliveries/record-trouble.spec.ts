import { randomUUID } from 'node:crypto'
import { expect, it } from 'vitest'
import { createMemoryEventStore } from '../../adapters/event-store/memory/event-store.ts'
import type { NewEvent } from '../../domain/kernel/envelope.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { deliveryKey, recordFailures } from './record-trouble.ts'

it('a delivery of which nothing can be applied gets a hundred notes and the number of the others, once', async () => {
  const store = createMemoryEventStore()
  const one = { tenantId: randomUUID(), deliveryId: 'd' }
  const stream = streamRef('delivery', one.tenantId, one.deliveryId)
  const meta: NewEvent['meta'] = {
    occurredAt: '2026-10-09T08:00:00.000Z',
    correlationId: 'd',
    causationId: 'd',
    actor: { kind: 'provider', id: 'meta' },
  }
  await store.append({ stream, expected: 0, events: [{ id: randomUUID(), type: 'WebhookReceived', schemaVersion: 1, data: {}, meta }] })
  const [delivery] = await Array.fromAsync(store.readStream(stream))
  if (delivery === undefined) throw new Error('what was appended can be read')
  const failures = Array.from({ length: 30_000 }, (_, n) => ({ ...one, path: `messages[${n}]`, error: 'id: missing' }))
  for (let time = 0; time < 2; time++) await recordFailures(store, failures, new Map([[deliveryKey(one), delivery]]))
  const [, ...notes] = await Array.fromAsync(store.readStream(stream))
  expect(notes).toHaveLength(101)
  expect(notes[99]?.data).toMatchObject({ path: 'messages[99]', error: 'id: missing' })
  expect(notes[100]?.data).toEqual({ path: '', error: '29900 further items could not be applied either' })
})
