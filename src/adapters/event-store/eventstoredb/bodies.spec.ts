import { randomBytes, randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { someEvents } from '../../../../tests/support/events.ts'
import { glassVault } from '../../../../tests/support/glass-vault.ts'
import { createPhysicalLogInMemory, type Fate } from '../../../../tests/support/physical-log.ts'
import { positionOf } from '../../../domain/kernel/position.ts'
import { streamRef } from '../../../domain/kernel/stream.ts'
import { SealBroken } from '../../../domain/kernel/vault.ts'
import { createAttachmentSeal } from '../../keyring/attachment-seal.ts'
import { createBodies, createWeigher, type Body } from './bodies.ts'
import type { BodyPlace, Decoded } from './decoded.ts'

const glass = createAttachmentSeal(glassVault)
const [one, other] = [randomUUID(), randomUUID()]
const bodyFor = (tenantId: string, bytes: Uint8Array = randomBytes(100), eventId: string = randomUUID()): Body => ({ tenantId, eventId, bytes })

/** The event that the body is of, as the log holds it. */
const decodedOf = ({ tenantId, eventId }: Body, place: BodyPlace | undefined): Decoded[] =>
  someEvents(1, { id: eventId }).map((event) => ({
    event: { ...event, stream: streamRef('delivery', tenantId, eventId), version: 1, position: positionOf(1), recordedAt: new Date() },
    body: place,
  }))

describe('raw bodies', () => {
  it('of one tenant are sealed together when they come together, those of two never', async () => {
    const sealed: { tenantId: string; events: number }[] = []
    const log = createPhysicalLogInMemory()
    const bodies = createBodies({
      physical: log.physical,
      seal: {
        ...glass,
        seal(tenantId, attached) {
          sealed.push({ tenantId, events: attached.length })
          return glass.seal(tenantId, attached)
        },
      },
    })
    const wanted = Array.from({ length: 60 }, (_, nth) => bodyFor(nth % 3 === 0 ? other : one))
    const places = await bodies.put(wanted)
    expect(sealed).toEqual([
      { tenantId: other, events: 20 },
      { tenantId: one, events: 40 },
    ])
    expect(log.appends).toHaveLength(1)
    const found = await bodies.fill(wanted.flatMap((body, nth) => decodedOf(body, places[nth])))
    expect(found.map(({ attachment }) => Buffer.from(attachment ?? []))).toEqual(wanted.map(({ bytes }) => bytes))
    const weigh = createWeigher()
    expect(places.map(weigh).filter((weight) => weight > 0)).toHaveLength(2)
  })

  it('of one event, brought twice with other bytes, are not mixed up', async () => {
    const { physical } = createPhysicalLogInMemory()
    const bodies = createBodies({ physical, seal: glass })
    const id = randomUUID()
    const twice = [bodyFor(one, Buffer.from('first'), id), bodyFor(one, Buffer.from('second'), id)]
    const places = await bodies.put(twice)
    const found = await bodies.fill(twice.flatMap((body, nth) => decodedOf(body, places[nth])))
    expect(found.map(({ attachment }) => Buffer.from(attachment ?? []).toString())).toEqual(['first', 'second'])
  })

  it('say why they cannot be read, and hide no neighbours: changed, of a destroyed key, aged', async () => {
    const log = createPhysicalLogInMemory()
    const wanted = [bodyFor(one), bodyFor(other), bodyFor(one, randomBytes(300_000))]
    const writer = createBodies({ physical: log.physical, seal: glass })
    const places = await writer.put(wanted)
    const decoded = wanted.flatMap((body, nth) => decodedOf(body, places[nth]))
    const reading = (open: (tenantId: string, sealed: Uint8Array) => ReturnType<typeof glass.open>) =>
      createBodies({ physical: log.physical, seal: { ...glass, open } }).fill(decoded)
    const changed = await reading((tenantId, sealed) =>
      tenantId === other ? Promise.reject(new SealBroken('not as it was sealed')) : glass.open(tenantId, sealed),
    )
    expect(changed.map(({ attachment, unreadable }) => unreadable ?? attachment?.byteLength)).toEqual([100, 'not as it was sealed', 300_000])
    const erased = await reading((tenantId, sealed) => (tenantId === one ? Promise.resolve('erased') : glass.open(tenantId, sealed)))
    expect(erased.map(({ attachment }) => attachment?.byteLength)).toEqual([undefined, 100, undefined])
    for (const { stream } of log.appends) log.age(stream, 1)
    const aged = await reading(glass.open)
    expect(aged.map(({ attachment }) => attachment?.byteLength)).toEqual([undefined, undefined, 300_000])
  })

  it('are refused when too many wait, and taken again afterwards', async () => {
    const { physical } = createPhysicalLogInMemory()
    const bodies = createBodies({ physical, seal: glass, maxBytes: 1_000 })
    const waiting = bodies.put([bodyFor(one, randomBytes(900))])
    await expect(bodies.put([bodyFor(one, randomBytes(200))])).rejects.toMatchObject({ name: 'StoreUnavailable', reason: 'queue_full' })
    await waiting
    // Into an empty queue goes any body: one that is heavier than the limit would otherwise be told for ever to come again.
    await bodies.put([bodyFor(one, randomBytes(2_000))])
  })

  it('fail with their append, and those behind them do not', async () => {
    const fates: Fate[] = ['not stored, unknown', 'ok']
    const { physical } = createPhysicalLogInMemory({ fate: () => fates.shift() ?? 'ok' })
    const bodies = createBodies({ physical, seal: glass })
    await expect(bodies.put([bodyFor(one)])).rejects.toMatchObject({ name: 'StoreUnavailable' })
    const body = bodyFor(one)
    const [place] = await bodies.put([body])
    expect(await bodies.fill(decodedOf(body, place))).toMatchObject([{ attachment: body.bytes }])
  })

  it('are cut smaller when a node takes less than the one that was asked', async () => {
    const { physical, appends } = createPhysicalLogInMemory({ maxAppendBytes: 5_000 })
    const believed = { ...physical, limits: { maxAppendBytes: 1_000_000 } }
    const bodies = createBodies({
      physical: {
        ...believed,
        async append(...args) {
          try {
            return await physical.append(...args)
          } catch (error) {
            // What `physical.ts` does when it is told.
            believed.limits.maxAppendBytes = 5_000
            throw error
          }
        },
      },
      seal: glass,
    })
    const body = bodyFor(one, randomBytes(12_000))
    const [place] = await bodies.put([body])
    expect(await bodies.fill(decodedOf(body, place))).toMatchObject([{ attachment: body.bytes }])
    expect(Math.max(...appends.map(({ bytes }) => bytes))).toBeLessThanOrEqual(5_000)
  })
})
