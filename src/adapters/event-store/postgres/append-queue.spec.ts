import { expect, it } from 'vitest'
import { StoreUnavailable } from '../../../domain/kernel/event-store.ts'
import type { Prepared } from '../prepared.ts'
import { createAppendQueue } from './append-queue.ts'

const weighing = (key: string, weight: number) => ({ key, weight, append: { expected: 'any', events: [] } }) as unknown as Prepared

it('an append heavier than the queue may hold is taken when nothing else waits, and sent away when something does', () => {
  const queue = createAppendQueue({ appends: 10, bytes: 100 }, () => 1)
  queue.push(weighing('light', 10))
  expect(() => queue.push(weighing('heavy', 101))).toThrow(StoreUnavailable)
  queue.take(10, 1_000)
  queue.push(weighing('heavy', 101))
  expect(() => queue.push(weighing('light', 1))).toThrow(StoreUnavailable)
  expect(queue.take(10, 100).map(({ key }) => key)).toEqual(['heavy'])
})
