import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SealBroken } from '../../domain/kernel/vault.ts'
import { pack, unpack } from './attachment-seal.ts'

describe('attachments in one piece', () => {
  it('come apart again as they were', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ eventId: fc.uuid(), bytes: fc.uint8Array({ maxLength: 200 }) }), { maxLength: 30 }), (attached) => {
        const unpacked = unpack(pack(attached))
        for (const [eventId, bytes] of new Map(attached.map((one) => [one.eventId, one.bytes])))
          expect(unpacked.get(eventId)).toEqual(Buffer.from(bytes))
      }),
    )
  })
  it('are refused when they were cut, wherever', () => {
    const packed = pack([
      { eventId: randomUUID(), bytes: Buffer.from('first') },
      { eventId: randomUUID(), bytes: Buffer.from('second') },
    ])
    for (let length = 0; length < packed.length; length++) expect(() => unpack(packed.subarray(0, length))).toThrow(SealBroken)
  })
})
