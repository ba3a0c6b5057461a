import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { aStream, allOf, credentials, eventually, failure, note, notes, paths, startHouse, startPlayground, textsOf } from './house.ts'

let house: Awaited<ReturnType<typeof startHouse>>
beforeAll(async () => {
  house = await startHouse()
})
afterAll(async () => house.stop())
const read = async (stream: string, options: Parameters<typeof house.client.readStream>[1] = {}) => allOf(house.client.readStream(stream, options))
const revisions = async (stream: string, options: Parameters<typeof house.client.readStream>[1] = {}) =>
  (await read(stream, options)).map(({ event }) => Number(event?.revision))
async function withNotes(count: number) {
  const stream = aStream()
  await house.client.appendToStream(stream, notes(count), { expectedRevision: 'no_stream' })
  return stream
}

describe('a stream that is not there', () => {
  it('is an error made by the client: missing, soft deleted, or nothing but metadata', async () => {
    const [missing, deleted, described] = [aStream(), await withNotes(2), aStream()]
    await house.client.deleteStream(deleted)
    await house.client.setStreamMetadata(described, { maxCount: 2 })
    for (const stream of [missing, deleted, described]) {
      for (const direction of ['forwards', 'backwards'] as const) {
        const error = await failure(read(stream, { direction, fromRevision: direction === 'forwards' ? 'start' : 'end' }))
        expect(error).toMatchObject({ type: 'stream-not-found', code: undefined, message: `${stream} not found` })
      }
    }
  })

  it('takes its first events under the metadata that was there before', async () => {
    const stream = aStream()
    await house.client.setStreamMetadata(stream, { maxCount: 2 })
    await house.client.appendToStream(stream, notes(5), { expectedRevision: 'no_stream' })
    expect(await revisions(stream)).toEqual([3, 4])
  })

  it('cannot be deleted, which is told in the server’s own numbers', async () => {
    for (const [expectedRevision, number] of [
      ['any', -2n],
      ['no_stream', -1n],
      [3n, 3n],
    ] as const) {
      const stream = aStream()
      expect(await failure(house.client.deleteStream(stream, { expectedRevision }))).toMatchObject({
        type: 'wrong-expected-version',
        code: 9,
        expectedVersion: number,
        actualVersion: -1n,
        message: `9 FAILED_PRECONDITION: Delete failed due to WrongExpectedVersion. Stream: ${stream}, Expected version: ${number}, Actual version: -1`,
      })
    }
  })

  it('refuses to be read with a count of nothing', async () => {
    expect(await failure(read(await withNotes(1), { maxCount: 0 }))).toMatchObject({
      type: 'unknown',
      message: '2 UNKNOWN: Unexpected ReadStreamResult: Error',
    })
  })
})

describe('a stream that is cut short', () => {
  it('keeps its newest by $maxCount and begins at $tb', async () => {
    const stream = await withNotes(10)
    await house.client.setStreamMetadata(stream, { maxCount: 3 })
    expect(await revisions(stream)).toEqual([7, 8, 9])
    expect(await revisions(stream, { fromRevision: 0n, maxCount: 2 })).toEqual([7, 8])
    await house.client.setStreamMetadata(stream, { truncateBefore: 8 })
    expect(await revisions(stream)).toEqual([8, 9])
    expect(await revisions(stream, { direction: 'backwards', fromRevision: 'end' })).toEqual([9, 8])
  })

  it('is empty, not missing, when nothing is left or nothing is there to be read', async () => {
    const stream = await withNotes(4)
    expect(await revisions(stream, { fromRevision: 9n })).toEqual([])
    await house.client.setStreamMetadata(stream, { truncateBefore: 2 })
    expect(await revisions(stream, { direction: 'backwards', fromRevision: 1n })).toEqual([])
    await house.client.setStreamMetadata(stream, { truncateBefore: 100 })
    expect(await revisions(stream)).toEqual([])
    expect(await failure(house.client.appendToStream(stream, note(), { expectedRevision: 'no_stream' }))).toMatchObject({ actualVersion: 3n })
    expect(await house.client.appendToStream(stream, note(), { expectedRevision: 3n })).toMatchObject({ nextExpectedRevision: 4n })
  })

  it('forgets by age what $all still shows, until a scavenge', async () => {
    let time = Date.now()
    const { client, double, stop } = await startPlayground({ now: () => time })
    await client.setStreamMetadata('s', { maxAge: 60 })
    await client.appendToStream('s', notes(2))
    time += 50_000
    await client.appendToStream('s', notes(1, 2))
    time += 20_000
    expect(textsOf(await allOf(client.readStream('s')))).toEqual([2])
    const inAll = async () => (await allOf(client.readAll())).filter(({ event }) => event?.streamId === 's').length
    expect(await inAll()).toBe(3)
    double.scavenge()
    expect(await inAll()).toBe(1)
    time += 60_000
    expect(await allOf(client.readStream('s'))).toEqual([])
    await stop()
  })
})

describe('a soft deletion', () => {
  it.each(['no_stream', 'any', 4n] as const)('goes on counting when written again with %s', async (expectedRevision) => {
    const stream = await withNotes(5)
    await house.client.deleteStream(stream, { expectedRevision: 4n })
    await house.client.deleteStream(stream)
    expect((await house.client.getStreamMetadata(stream)).metadata).toEqual({ truncateBefore: 9223372036854776000 })
    expect(await failure(house.client.appendToStream(stream, note(), { expectedRevision: 'stream_exists' }))).toMatchObject({
      type: 'stream-deleted',
    })
    expect(await failure(house.client.appendToStream(stream, note(), { expectedRevision: 2n }))).toMatchObject({ actualVersion: 4n })
    expect(await house.client.appendToStream(stream, note('back'), { expectedRevision })).toMatchObject({ nextExpectedRevision: 5n })
    expect(await revisions(stream)).toEqual([5])
    expect((await house.client.getStreamMetadata(stream)).metadata).toEqual({ truncateBefore: 5 })
  })

  it('swallows a repeat of what was deleted: success, and nothing is there', async () => {
    for (const [, path] of paths) {
      const stream = aStream()
      const e = notes(2)
      await house.client.appendToStream(stream, e, { expectedRevision: 'no_stream', ...path })
      await house.client.deleteStream(stream)
      const repeat = await house.client.appendToStream(stream, e, { expectedRevision: 'no_stream', ...path })
      expect(repeat).toEqual({ success: true, nextExpectedRevision: 1n, position: undefined })
      expect(await failure(read(stream))).toMatchObject({ type: 'stream-not-found' })
    }
  })

  it('cannot be asked for with "stream_exists": the client breaks on it', async () => {
    const stream = await withNotes(1)
    // @ts-expect-error the types allow what is sent wrongly, for revisions of other kinds
    expect(await failure(house.client.deleteStream(stream, { expectedRevision: 'stream_exists' }))).toMatchObject({ code: 13 })
  })
})

describe('a tombstone', () => {
  it('ends a stream for every call, for good', async () => {
    const stream = await withNotes(2)
    await house.client.tombstoneStream(stream)
    const calls = [
      async () => read(stream),
      async () => house.client.appendToStream(stream, note(), { credentials }),
      async () => house.client.deleteStream(stream),
      async () => house.client.tombstoneStream(stream),
      async () => allOf(house.client.subscribeToStream(stream)),
    ]
    for (const call of calls) {
      expect(await failure(call())).toMatchObject({
        type: 'stream-deleted',
        code: 9,
        streamName: stream,
        message: `9 FAILED_PRECONDITION: Event stream '${stream}' is deleted.`,
      })
    }
    expect(await failure(house.client.appendToStream(stream, note()))).toMatchObject({ type: 'stream-deleted', code: undefined, message: '' })
    expect(await failure(house.client.getStreamMetadata(stream))).toMatchObject({ type: 'stream-deleted', streamName: `$$${stream}` })
    expect(await house.client.setStreamMetadata(stream, { maxCount: 1 })).toMatchObject({ success: true })
  })

  it('burns a name that was never used', async () => {
    const stream = aStream()
    await house.client.tombstoneStream(stream, { expectedRevision: 'any' })
    expect(await failure(house.client.appendToStream(stream, note(), { expectedRevision: 'no_stream' }))).toMatchObject({ type: 'stream-deleted' })
  })

  it('shows in $all as an event with the last revision there is', async () => {
    const stream = await withNotes(1)
    const { position } = await house.client.tombstoneStream(stream, { expectedRevision: 0n })
    const [last] = await allOf(house.client.readAll({ ...(position ? { fromPosition: position } : {}), maxCount: 1 }))
    expect(last?.event).toMatchObject({ streamId: stream, type: '$streamDeleted', revision: 9223372036854775807n })
  })

  it('is the last a stream’s subscription sees; a soft deletion is not even noticed', async () => {
    const stream = await withNotes(1)
    const seen: unknown[] = []
    const errors: unknown[] = []
    const subscription = house.client.subscribeToStream(stream)
    subscription.on('error', (error) => errors.push(error))
    subscription.on('data', ({ event }) => seen.push(event?.type))
    await eventually(() => expect(seen).toHaveLength(1))
    await house.client.deleteStream(stream)
    await house.client.appendToStream(stream, note('again'))
    await house.client.tombstoneStream(stream)
    await eventually(() => expect(errors).toMatchObject([{ type: 'stream-deleted' }]))
    expect(seen).toEqual(['Noted', 'Noted', '$streamDeleted'])
  })
})
