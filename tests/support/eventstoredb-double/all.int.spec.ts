import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allOf, aStream, failure, note, notes, startHouse, startPlayground } from './house.ts'

let house: Awaited<ReturnType<typeof startHouse>>
beforeAll(async () => {
  house = await startHouse()
})
afterAll(async () => house.stop())

/** Three events in a row: one append, so that nothing of others comes between. */
async function three() {
  const stream = aStream()
  await house.client.appendToStream(stream, notes(3))
  const stored = await allOf(house.client.readStream(stream))
  const [first, second, third] = stored.map(({ event }) => event?.position)
  if (!first || !second || !third) throw new Error('three events were stored')
  return { stream, first, second, third }
}
const ids = (events: readonly { event?: { streamId: string; revision: bigint } }[]) =>
  events.map(({ event }) => `${event?.streamId}@${event?.revision}`)

describe('reading $all', () => {
  it('begins with the system’s own events', async () => {
    const [first] = await allOf(house.client.readAll({ maxCount: 1 }))
    expect(first?.event).toMatchObject({ streamId: '$$$scavenges', type: '$metadata', revision: 0n })
  })

  it('is inclusive forwards and exclusive backwards', async () => {
    const { stream, first, second } = await three()
    expect(ids(await allOf(house.client.readAll({ fromPosition: second, maxCount: 2 })))).toEqual([`${stream}@1`, `${stream}@2`])
    expect(ids(await allOf(house.client.readAll({ fromPosition: second, maxCount: 1, direction: 'backwards' })))).toEqual([`${stream}@0`])
    expect(ids(await allOf(house.client.readAll({ fromPosition: first, maxCount: 1 })))).toEqual([`${stream}@0`])
  })

  it('tells the same position of an event wherever it is read', async () => {
    const { stream, second } = await three()
    const [found] = await allOf(house.client.readAll({ fromPosition: second, maxCount: 1 }))
    expect(found).toMatchObject({ commitPosition: second.commit, event: { streamId: stream, position: second } })
  })

  it('ends at the end: nothing beyond it, the newest first from there', async () => {
    const { stream, third } = await three()
    const far = third.commit + 1_000_000_000n
    expect(await allOf(house.client.readAll({ fromPosition: { commit: far, prepare: far } }))).toEqual([])
    expect(await allOf(house.client.readAll({ fromPosition: 'end' }))).toEqual([])
    // Others may write to a real server meanwhile.
    const newest = await allOf(house.client.readAll({ fromPosition: 'end', direction: 'backwards', maxCount: 500 }))
    expect(ids(newest).filter((id) => id.startsWith(stream))).toEqual([`${stream}@2`, `${stream}@1`, `${stream}@0`])
  })

  it('takes only places that the server gave', async () => {
    const { second } = await three()
    const between = second.commit + 1n
    expect(await failure(allOf(house.client.readAll({ fromPosition: { commit: between, prepare: between } })))).toMatchObject({
      type: 'unknown',
      message: '2 UNKNOWN: Unexpected ReadAllResult: Error',
    })
    expect(await failure(allOf(house.client.readAll({ fromPosition: { commit: second.commit, prepare: second.commit + 5n } })))).toMatchObject({
      type: 'unknown',
      message: '2 UNKNOWN: Exception was thrown by handler.',
    })
  })

  it('hangs for ever when asked for nothing', async () => {
    // Of the double only: a real server burns a core on it until the client goes.
    const { client, double, stop } = await startPlayground()
    await client.appendToStream('s', note())
    const reading = client.readAll({ maxCount: 0 })
    let ended = false
    reading.on('end', () => {
      ended = true
    })
    reading.resume()
    await client.appendToStream('s', note())
    expect(double.log().filter(({ stream }) => stream === 's')).toHaveLength(2)
    expect(ended).toBe(false)
    await reading.cancel()
    await stop()
  })

  it('shows events in the order in which they were stored, none twice', async () => {
    const { first: from } = await three()
    await Promise.all(Array.from({ length: 50 }, async (_, at) => house.client.appendToStream(aStream(), notes(3, at))))
    const positions = (await allOf(house.client.readAll({ fromPosition: from }))).map(({ commitPosition = 0n }) => commitPosition)
    expect(positions.length).toBeGreaterThanOrEqual(153)
    expect(positions.every((position, at) => at === 0 || position > (positions[at - 1] ?? 0n))).toBe(true)
  })
})
