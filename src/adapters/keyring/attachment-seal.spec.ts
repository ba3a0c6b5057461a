import { randomBytes, randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SealBroken } from '../../domain/kernel/vault.ts'
import type { SealContext } from '../../domain/kernel/vault.ts'
import { createAttachmentSeal, pack, squeeze, unpack, unsqueeze } from './attachment-seal.ts'

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

describe('attachments that resemble each other', () => {
  const packed = pack(
    Array.from({ length: 50 }, (_, n) => ({
      eventId: randomUUID(),
      bytes: Buffer.from(
        `{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"text":"${n}"},"field":"messages"}]}]}`,
      ),
    })),
  )
  it('take a third of the room at most, and are the same afterwards', () => {
    const small = squeeze(packed)
    expect(small.length).toBeLessThan(packed.length / 3)
    expect(Buffer.from(unsqueeze(small))).toEqual(packed)
  })
  it('are the same afterwards, whatever they are', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 2_000 }), { maxLength: 8 }), fc.boolean(), (bodies, twice) => {
        const some = pack([...bodies, ...(twice ? bodies : [])].map((bytes) => ({ eventId: randomUUID(), bytes })))
        expect(Buffer.from(unsqueeze(squeeze(some)))).toEqual(some)
      }),
    )
  })
  it('are sealed each for itself, though they are laid out at one place', async () => {
    const seal = createAttachmentSeal(boundVault)
    const [tenantId, eventId] = [randomUUID(), randomUUID()]
    const bodies = ['a'.repeat(5_000), 'short', 'b'.repeat(400_000), 'c'.repeat(3_000)].map((text) => Buffer.from(text))
    const sealed = bodies.map((bytes) => seal.seal(tenantId, [{ eventId, bytes }], 'squeezed'))
    for (const [nth, body] of bodies.entries()) expect(await seal.open(tenantId, sealed[nth] ?? body)).toEqual(new Map([[eventId, body]]))
  })
  it('are kept as they are when that is shorter', () => {
    const random = pack([{ eventId: randomUUID(), bytes: randomBytes(5_000) }])
    expect(squeeze(random)).toBe(random)
    const few = pack([{ eventId: randomUUID(), bytes: Buffer.alloc(100) }])
    expect(squeeze(few)).toBe(few)
  })
  it('are refused when they were cut, or come out longer or shorter than was said', () => {
    const small = squeeze(packed)
    for (const length of [1, 4, 5, 6, small.length - 1]) expect(() => unsqueeze(small.subarray(0, length))).toThrow(SealBroken)
    for (const said of [0, packed.length - 1, packed.length + 1]) {
      const lying = Buffer.from(small)
      lying.writeUInt32BE(said, 1)
      expect(() => unsqueeze(lying)).toThrow(SealBroken)
    }
  })
})

/** Seals by writing the binding in front, and opens nothing that is bound otherwise. */
const boundVault = {
  ensure: () => Promise.resolve(),
  has: () => true,
  sealBytes: (context: SealContext, bytes: Uint8Array) => Buffer.concat([Buffer.from(`${JSON.stringify(context)}\n`), bytes]),
  openBytes(context: SealContext, sealed: Uint8Array): Promise<{ bytes: Uint8Array }> {
    const bound = `${JSON.stringify(context)}\n`
    const text = Buffer.from(sealed)
    if (!text.toString().startsWith(bound)) return Promise.reject(new SealBroken('bound to something else'))
    return Promise.resolve({ bytes: text.subarray(bound.length) })
  },
}

describe('an attachment that was sealed alone, before there were bundles', () => {
  const [tenantId, eventId] = [randomUUID(), randomUUID()]
  const seal = createAttachmentSeal(boundVault)
  const alone = boundVault.sealBytes({ tenantId, subject: 'deliveries', eventId, field: 'raw' }, Buffer.from('kept'))
  it('is opened for its event', async () => {
    expect(await seal.open(tenantId, alone, eventId)).toEqual(new Map([[eventId, Buffer.from('kept')]]))
  })
  it('is opened for no other event, and not for another tenant', async () => {
    await expect(seal.open(tenantId, alone, randomUUID())).rejects.toThrow(SealBroken)
    await expect(seal.open(randomUUID(), alone, eventId)).rejects.toThrow(SealBroken)
    await expect(seal.open(tenantId, alone)).rejects.toThrow(SealBroken)
  })
})
