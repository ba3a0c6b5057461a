import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { batches, batchOverhead, bytesOf, createPlacing, type Placed } from './batches.ts'

const record = (partition: number, bytes: number): Placed => ({ partition, bytes, message: { value: null } })
const small = fc.record({ partition: fc.integer({ min: 0, max: 3 }), bytes: fc.integer({ min: 1, max: 400 }) })

describe('records cut into batches', () => {
  it('are all there in their order, and no partition has more in a batch than the topic takes', () => {
    fc.assert(
      fc.property(fc.array(small), fc.integer({ min: 500, max: 2_000 }), (given, most) => {
        const records = given.map(({ partition, bytes }) => record(partition, bytes))
        const cut = batches(records, most)
        expect(cut.flat()).toEqual(records)
        for (const batch of cut)
          for (const partition of [0, 1, 2, 3]) {
            const bytes = batch.filter((one) => one.partition === partition).reduce((sum, one) => sum + one.bytes, batchOverhead)
            expect(bytes).toBeLessThanOrEqual(most)
          }
      }),
    )
  })

  it('are few: a page of small ones is one request', () => {
    expect(
      batches(
        Array.from({ length: 1_000 }, (_, nth) => record(nth % 4, 900)),
        1_048_588,
      ),
    ).toHaveLength(1)
  })
})

describe('the place of a record', () => {
  it('is that of its key alone, spread as every Kafka client spreads', () => {
    const place = createPlacing(12)
    const of = (key: string): number => place({ key, value: null, headers: {} }).partition
    // As `kafka.utils.Utils.toPositive(murmur2(key)) % 12` of the Java client has it.
    expect(['21', 'foobar', 'a-little-bit-long-string'].map(of)).toEqual([-973932308, -790332482, -985981536].map((hash) => (hash & 0x7fffffff) % 12))
    expect(new Set(Array.from({ length: 200 }, (_, nth) => of(`tenant/conversation-${nth}`))).size).toBe(12)
  })

  it('counts bytes rather too many than too few', () => {
    const text = 'ñandú'
    const bytes = bytesOf({ key: text, value: Buffer.from(text), headers: { ce_id: text } })
    expect(bytes).toBeGreaterThan(3 * Buffer.byteLength(text) + 'ce_id'.length)
  })
})
