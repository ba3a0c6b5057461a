import { describe, expect, it } from 'vitest'
import { rowsAfter } from '../../../tests/support/fold.ts'
import type { DeliveryEvent } from '../../domain/delivery/events.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { deliveries, type DeliveryFailure, type DeliveryRow } from './projection.ts'

const stream = streamRef('delivery', '0197c0de-0000-7000-8000-000000000001', 'delivery-1')
const received: DeliveryEvent = { type: 'WebhookReceived', provider: 'meta', app: 'default', sha256: 'ab', bytes: 900 }
const parked: DeliveryEvent = {
  type: 'DeliveryParked',
  reason: 'unknown_number',
  phoneNumberIds: ['1001'],
  wabaIds: ['2002'],
  detail: 'nobody has it',
}
const itemFailed = (n: number): DeliveryEvent => ({ type: 'DeliveryItemFailed', path: `entry[0].changes[${n}]`, error: 'no type' })

function after(...events: DeliveryEvent[]): DeliveryRow {
  const [row] = rowsAfter(
    deliveries,
    events.map((event) => [stream, event]),
  )
  if (row === undefined) throw new Error('no row')
  return row
}

describe('the deliveries', () => {
  it('are received with size, hash and place in the log', () => {
    expect(after(received)).toMatchObject({ id: 'delivery-1', state: 'received', sha256: 'ab', bytes: 900, position: '1', failures: '[]' })
  })
  it('are parked with the numbers that they wait for, until they are handed over', () => {
    expect(after(received, parked)).toMatchObject({ state: 'parked', parkedReason: 'unknown_number', phoneNumberIds: '["1001"]' })
    expect(after(received, parked, { type: 'DeliveryRouted', tenantId: stream.tenantId, deliveryId: 'x' }).state).toBe('processed')
  })
  it('have failed with each item that could not be applied, and no more than the first fifty', () => {
    const row = after(received, ...Array.from({ length: 60 }, (_, n) => itemFailed(n)))
    const failures = JSON.parse(row.failures) as DeliveryFailure[]
    expect(row.state).toBe('failed')
    expect(failures).toHaveLength(50)
    expect(failures[0]).toEqual({ path: 'entry[0].changes[0]', error: 'no type' })
  })
  it('are processed after a replay that left nothing undone, and failed after one that did', () => {
    expect(after(received, itemFailed(0), { type: 'DeliveryReplayed', items: 3, failed: 0 })).toMatchObject({
      state: 'processed',
      failures: '[]',
      replays: 1,
    })
    expect(after(received, itemFailed(0), { type: 'DeliveryReplayed', items: 3, failed: 1 })).toMatchObject({ state: 'failed', replays: 1 })
  })
})
