import { eventTypeFilter, excludeSystemEvents, jsonEvent, streamNameFilter, type AllStreamSubscription, type Position } from '@eventstore/db-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { aStream, allOf, eventually, note, notes, startHouse, startPlayground } from './house.ts'

let house: Awaited<ReturnType<typeof startHouse>>
beforeAll(async () => {
  house = await startHouse()
})
afterAll(async () => house.stop())

function watch(subscription: AllStreamSubscription) {
  const seen: { stream: string; revision: bigint; position: bigint }[] = []
  const signs: string[] = []
  const errors: unknown[] = []
  subscription.on(
    'data',
    ({ event }) => event && seen.push({ stream: event.streamId, revision: event.revision, position: event.position?.commit ?? 0n }),
  )
  for (const sign of ['confirmation', 'caughtUp', 'fellBehind'] as const) subscription.on(sign, () => signs.push(sign))
  subscription.on('error', (error) => errors.push(error))
  return { seen, signs, errors, until: async (sign: string) => eventually(() => expect(signs).toContain(sign)) }
}
const end = async (stream: { unsubscribe: () => Promise<void> }) => stream.unsubscribe()
async function headOf(client = house.client): Promise<Position> {
  const [last] = await allOf(client.readAll({ fromPosition: 'end', direction: 'backwards', maxCount: 1 }))
  return last?.event?.position ?? { commit: 0n, prepare: 0n }
}
const kilobyte = jsonEvent.bind(undefined, { type: 'Noted', data: { text: 'x'.repeat(1000) } })

describe('a subscription', () => {
  it('confirms, delivers what there is, says once that it caught up, and goes on live', async () => {
    const stream = aStream()
    await house.client.appendToStream(stream, notes(3))
    const subscription = house.client.subscribeToAll({ filter: streamNameFilter({ prefixes: [stream], maxSearchWindow: 1000 }) })
    const { seen, signs, until } = watch(subscription)
    await until('caughtUp')
    expect(seen).toHaveLength(3)
    await house.client.appendToStream(stream, notes(2))
    await eventually(() => expect(seen.map(({ revision }) => revision)).toEqual([0n, 1n, 2n, 3n, 4n]))
    expect(signs).toEqual(['confirmation', 'caughtUp'])
    await end(subscription)
  })

  it('begins after the place it is given', async () => {
    const stream = aStream()
    const first = await house.client.appendToStream(stream, note())
    await house.client.appendToStream(stream, notes(2))
    const subscription = house.client.subscribeToAll({ fromPosition: first.position ?? 'start', filter: streamNameFilter({ prefixes: [stream] }) })
    const { seen, until } = watch(subscription)
    await until('caughtUp')
    expect(seen.map(({ revision }) => revision)).toEqual([1n, 2n])
    await end(subscription)
  })

  it('takes only places that the server gave', async () => {
    const { position } = await house.client.appendToStream(aStream(), note())
    const between = (position?.commit ?? 0n) + 1n
    await house.client.appendToStream(aStream(), note())
    const { errors } = watch(house.client.subscribeToAll({ fromPosition: { commit: between, prepare: between } }))
    await eventually(() => expect(errors).toMatchObject([{ type: 'unknown', message: '2 UNKNOWN: Unexpected ReadAllResult: Error' }]))
  })

  it('of a stream begins after its revision, even one that is still to come', async () => {
    const stream = aStream()
    await house.client.appendToStream(stream, notes(3))
    const seen: bigint[] = []
    const subscription = house.client.subscribeToStream(stream, { fromRevision: 4n })
    subscription.on('data', ({ event }) => event && seen.push(event.revision))
    await new Promise((done) => subscription.once('confirmation', () => done(undefined)))
    await house.client.appendToStream(stream, notes(4))
    await eventually(() => expect(seen).toEqual([5n, 6n]))
    await end(subscription)
  })

  it('of a stream that is not there catches up with its first event', async () => {
    const stream = aStream()
    const subscription = house.client.subscribeToStream(stream)
    const signs: string[] = []
    subscription.on('caughtUp', () => signs.push('caughtUp'))
    subscription.on('data', () => signs.push('data'))
    await new Promise((done) => subscription.once('confirmation', () => done(undefined)))
    expect(signs).toEqual([])
    await house.client.appendToStream(stream, note())
    await eventually(() => expect(signs).toEqual(['data', 'caughtUp']))
    await end(subscription)
  })
})

describe('a filter', () => {
  it('chooses by prefixes or a regular expression of streams or types; no prefix at all matches nothing', async () => {
    const { client, stop } = await startPlayground()
    await client.appendToStream('red-1', note())
    await client.appendToStream('blue-1', note('x', undefined, 'Sung'))
    await client.setStreamMetadata('red-1', { maxCount: 9 })
    const chosen = async (filter: NonNullable<Parameters<typeof client.subscribeToAll>[0]>['filter']) => {
      const subscription = client.subscribeToAll(filter ? { filter } : {})
      const { seen, until } = watch(subscription)
      await until('caughtUp')
      await end(subscription)
      return seen.map(({ stream }) => stream)
    }
    expect(await chosen(streamNameFilter({ prefixes: ['red-', 'green-'] }))).toEqual(['red-1'])
    expect(await chosen(streamNameFilter({ regex: '^b.*' }))).toEqual(['blue-1'])
    expect(await chosen(eventTypeFilter({ prefixes: ['Sun'] }))).toEqual(['blue-1'])
    expect(await chosen(excludeSystemEvents())).toEqual(['red-1', 'blue-1'])
    expect(await chosen(streamNameFilter({ prefixes: [] }))).toEqual([])
    // A RegExp object arrives as "/^b/" and matches nothing.
    expect(await chosen(streamNameFilter({ regex: String(/^b/) }))).toEqual([])
    const { errors } = watch(client.subscribeToAll({ filter: streamNameFilter({ regex: '(' }) }))
    await eventually(() => expect(errors).toMatchObject([{ type: 'unknown', message: '2 UNKNOWN: Exception was thrown by handler.' }]))
    await stop()
  })

  it.each([
    [32, 1, 31],
    [32, 10, 3],
    [1000, 1, 1],
  ])(
    'with a window of %i and an interval of %i makes %i checkpoints of 1000 events, matching or not, behind and live',
    async (maxSearchWindow, checkpointInterval, expected) => {
      const { client, stop } = await startPlayground()
      // The log's first record is scanned as well.
      for (let round = 0; round < 10; round += 1) await client.appendToStream('other', notes(round === 0 ? 99 : 100))
      const places: Position[] = []
      const checkpointReached = async (_: unknown, place: Position) => void places.push(place)
      const subscription = client.subscribeToAll({
        filter: streamNameFilter({ prefixes: ['none'], maxSearchWindow, checkpointInterval, checkpointReached }),
      })
      const { until } = watch(subscription)
      await until('caughtUp')
      expect(places).toHaveLength(expected)
      expect(places.every(({ prepare }) => prepare === 0n)).toBe(true)
      for (let round = 0; round < 10; round += 1) await client.appendToStream('other', notes(100))
      const inAll = Math.floor(2000 / (maxSearchWindow * checkpointInterval))
      await eventually(() => expect(places).toHaveLength(inAll))
      expect(places.slice(expected).every(({ commit, prepare }) => commit === prepare)).toBe(true)
      await end(subscription)
      await stop()
    },
  )

  it('gives checkpoints from which nothing is lost and nothing repeated', async () => {
    const { client, stop } = await startPlayground()
    for (let round = 0; round < 100; round += 1) {
      await client.appendToStream('mine', notes(2, round))
      await client.appendToStream('other', notes(5))
    }
    const places: { place: Position; before: number }[] = []
    let delivered = 0
    const filter = (checkpointReached?: (_: unknown, place: Position) => Promise<void>) =>
      streamNameFilter({ prefixes: ['mine'], maxSearchWindow: 3, ...(checkpointReached ? { checkpointReached } : {}) })
    const whole = client.subscribeToAll({ filter: filter(async (_, place) => void places.push({ place, before: delivered })) })
    const reached = new Promise((done) => whole.once('caughtUp', () => done(undefined)))
    whole.on('data', () => {
      delivered += 1
    })
    await reached
    await eventually(() => expect(delivered).toBe(200))
    await end(whole)
    for (const { place } of places.filter((_, at) => at % 6 === 0)) {
      const subscription = client.subscribeToAll({ fromPosition: place, filter: filter() })
      const { seen, until } = watch(subscription)
      await until('caughtUp')
      const positions = new Set(seen.map(({ position }) => position))
      const expected = (await allOf(client.readStream('mine'))).filter(({ event }) => {
        const at = event?.position?.commit ?? 0n
        return at > place.commit || (at === place.commit && at > place.prepare)
      })
      expect(positions.size).toBe(expected.length)
      expect(seen).toHaveLength(expected.length)
      await end(subscription)
    }
    expect(places.some(({ place }) => place.prepare === 0n)).toBe(true)
    expect(places.some(({ place }) => place.prepare === place.commit)).toBe(true)
    await stop()
  })
})

describe('a live consumer', () => {
  const burst = async (client: typeof house.client, count: number) =>
    client.appendToStream(
      aStream('burst'),
      Array.from({ length: count }, () => kilobyte()),
    )

  it('takes a burst of 100 and is dropped by one of 1000, however fast it is', async () => {
    const subscription = house.client.subscribeToAll({
      fromPosition: await headOf(),
      filter: streamNameFilter({ prefixes: ['burst-'], maxSearchWindow: 1000 }),
    })
    const { seen, errors, until } = watch(subscription)
    await until('caughtUp')
    await burst(house.client, 100)
    await eventually(() => expect(seen).toHaveLength(100))
    await burst(house.client, 1000)
    await eventually(() =>
      expect(errors).toMatchObject([
        {
          type: 'timeout',
          code: 10,
          message: '10 ABORTED: Operation timed out: Consumer too slow to handle event while live. Client resubscription required.',
        },
      ]),
    )
    expect(seen.length).toBeLessThan(1100)
    expect(subscription.destroyed).toBe(false)
  })

  it('misses nothing when it subscribes again from the last it saw', async () => {
    const head = await headOf()
    const seen: bigint[] = []
    let drops = 0
    let from = head
    let stopped: () => Promise<void> = async () => undefined
    const subscribe = (): void => {
      const subscription = house.client.subscribeToAll({
        fromPosition: from,
        filter: streamNameFilter({ prefixes: ['burst-'], maxSearchWindow: 1000 }),
      })
      stopped = async () => subscription.unsubscribe()
      subscription.on('data', ({ event }) => {
        if (!event?.position) return
        from = event.position
        seen.push(event.position.commit)
      })
      subscription.on('error', () => {
        drops += 1
        subscription.destroy()
        subscribe()
      })
    }
    subscribe()
    for (let round = 0; round < 5; round += 1) {
      await burst(house.client, 600)
      await eventually(() => expect(seen).toHaveLength((round + 1) * 600))
    }
    expect(drops).toBeGreaterThan(0)
    expect(seen.toSorted((a, b) => Number(a - b))).toEqual(seen)
    expect(new Set(seen).size).toBe(3000)
    await stopped()
  })

  it('falls behind and catches up by itself on a newer server', async () => {
    const { client, stop } = await startPlayground({ fallsBehind: true, version: '24.10.4' })
    const subscription = client.subscribeToAll({ filter: streamNameFilter({ prefixes: ['burst-'], maxSearchWindow: 1000 }) })
    const { seen, signs, errors, until } = watch(subscription)
    await until('caughtUp')
    await burst(client, 700)
    await eventually(() => expect(seen).toHaveLength(700))
    await eventually(() => expect(signs).toEqual(['confirmation', 'caughtUp', 'fellBehind', 'caughtUp']))
    await burst(client, 10)
    await eventually(() => expect(seen).toHaveLength(710))
    expect(errors).toEqual([])
    await end(subscription)
    await stop()
  })

  it('is waited for while it catches up, however slow', async () => {
    const { client, double, stop } = await startPlayground()
    for (let round = 0; round < 6; round += 1) await burst(client, 500)
    const subscription = client.subscribeToAll({ filter: streamNameFilter({ prefixes: ['burst-'], maxSearchWindow: 1000 }) }, { highWaterMark: 1 })
    let seen = 0
    let errors = 0
    subscription.on('error', () => {
      errors += 1
    })
    for await (const _ of subscription) {
      seen += 1
      if (seen === 10) await burst(client, 500)
      if (seen === 3500) break
    }
    expect(errors).toBe(0)
    expect(double.log().filter(({ stream }) => stream.startsWith('burst-'))).toHaveLength(3500)
    await stop()
  })
})
