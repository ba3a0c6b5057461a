import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createPhysicalLogInMemory } from '../../../../tests/support/physical-log.ts'
import { positionOf, start } from '../../../domain/kernel/position.ts'
import { createWindow, type DeliveryPlaces } from './intake-shards-window.ts'
import { commitOf, encodePack, entryText, intakeStream } from './packs.ts'

const tenantId = randomUUID()
const nameOf = (nth: number): string => `delivery-${tenantId}_${nth}`
const everything = positionOf('9'.repeat(18))

/** A shard with so many deliveries, each in a pack of its own. */
async function shardOf(count: number) {
  const log = createPhysicalLogInMemory()
  const append = async (nth: number): Promise<void> => {
    const entry = entryText({ stream: nameOf(nth), version: 1, id: randomUUID(), type: 'WebhookReceived', schemaVersion: 1, data: '{}', meta: '{}' })
    await log.physical.append(intakeStream(0), [encodePack([entry], randomUUID())], 'any')
  }
  for (let nth = 0; nth < count; nth++) await append(nth)
  return { ...log, append }
}

const indexAt = (position = start, answers: Partial<DeliveryPlaces> = {}): DeliveryPlaces => ({
  indexed: () => Promise.resolve(position),
  waitFor: () => Promise.resolve(true),
  ofDeliveries: (wanted) => Promise.resolve(wanted.map(() => undefined)),
  ...answers,
})

describe('what a shard keeps in mind', () => {
  it('is loaded from the end, as much as it holds, when the index has the rest', async () => {
    const { physical } = await shardOf(350)
    const window = createWindow({ shard: 0, physical, places: indexAt(everything), size: 150 })
    await window.ready()
    expect(window.tip()).toBe(349n)
    expect(window.whole()).toBe(false)
    expect(window.size()).toBe(200)
    expect(window.get(nameOf(149))).toBeUndefined()
    expect(window.get(nameOf(150))).toMatchObject({ count: 1 })
  })

  it('is all of the shard without an index, or when there is not more', async () => {
    const { physical } = await shardOf(250)
    for (const window of [
      createWindow({ shard: 0, physical, size: 10 }),
      createWindow({ shard: 0, physical, places: indexAt(everything), size: 300 }),
    ]) {
      await window.ready()
      expect(window.whole()).toBe(true)
      expect(window.size()).toBe(250)
    }
  })

  it('begins no later than where the index ends, or not at all', async () => {
    const { physical, events } = await shardOf(1_500)
    const place = events()[420]?.event.position ?? start
    const window = createWindow({ shard: 0, physical, places: indexAt(place), size: 150 })
    await window.ready()
    expect(window.get(nameOf(421))).toBeDefined()

    const waited: bigint[] = []
    const hopeless = indexAt(start, {
      waitFor(position) {
        waited.push(commitOf(position))
        return Promise.resolve(false)
      },
    })
    const blind = createWindow({ shard: 0, physical, places: hopeless, size: 150 })
    await expect(blind.ready()).rejects.toMatchObject({ name: 'StoreUnavailable' })
    expect(waited).toEqual([commitOf(events()[300]?.event.position ?? start)])
  })

  it('lets go of the oldest, of nothing that the index has not, and of nothing after the floor', async () => {
    const { physical, events } = await shardOf(30)
    let indexed = events()[9]?.event.position ?? start
    const places = indexAt(start, { indexed: () => Promise.resolve(indexed) })
    const window = createWindow({ shard: 0, physical, places, size: 20 })
    await window.ready()
    expect(window.whole()).toBe(true)
    for (const nth of [30, 31, 32, 33]) window.add(nameOf(nth), { first: positionOf(10 ** 9 + nth), count: 1, id: '', revision: BigInt(nth) })
    await window.trim(4n)
    expect(window.size()).toBe(29)
    expect(window.whole()).toBe(false)
    await window.trim(33n)
    expect(window.size()).toBe(24)
    expect(window.get(nameOf(9))).toBeUndefined()
    expect(window.get(nameOf(10))).toBeDefined()
    indexed = everything
    await window.trim(33n)
    expect(window.size()).toBe(20)
  })

  it('has no hole: an own append that is known of before what others appended in front of it is read with them', async () => {
    const { physical, append } = await shardOf(3)
    const window = createWindow({ shard: 0, physical, size: 10 })
    await window.ready()
    for (const nth of [3, 4]) await append(nth)
    window.add(nameOf(4), { first: positionOf(10 ** 9), count: 1, id: '', revision: 4n })
    await window.refresh()
    expect(window.tip()).toBe(4n)
    for (const nth of [3, 4]) expect(window.get(nameOf(nth))).toBeDefined()
  })

  it('looks again for whoever comes while it is looking', async () => {
    const { physical, append } = await shardOf(3)
    const answer = Promise.withResolvers<void>()
    let isSlow = false
    const slow: typeof physical = {
      ...physical,
      async readStream(...read) {
        const found = await physical.readStream(...read)
        if (isSlow) await answer.promise
        return found
      },
    }
    const window = createWindow({ shard: 0, physical: slow, size: 10 })
    await window.ready()
    isSlow = true
    const looking = window.refresh()
    await append(3)
    const again = window.refresh()
    answer.resolve()
    await Promise.all([looking, again])
    expect(window.get(nameOf(3))).toBeDefined()
  })

  it('learns what others have appended since', async () => {
    const { physical, append } = await shardOf(3)
    const window = createWindow({ shard: 0, physical, size: 10 })
    await window.ready()
    for (let nth = 3; nth < 240; nth++) await append(nth)
    await Promise.all([window.refresh(), window.refresh()])
    expect(window.tip()).toBe(239n)
    expect(window.get(nameOf(239))).toBeDefined()
  })
})
