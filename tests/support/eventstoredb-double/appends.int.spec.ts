import { binaryEvent, EventStoreDBClient, WrongExpectedVersionError } from '@eventstore/db-client'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allOf, aStream, credentials, failure, note, notes, paths, startHouse, startPlayground, textsOf } from './house.ts'

let house: Awaited<ReturnType<typeof startHouse>>
beforeAll(async () => {
  house = await startHouse()
})
afterAll(async () => house.stop())

describe.each(paths)('appending (%s)', (_, path) => {
  it('answers the last revision and the position of the last event, commit and prepare alike', async () => {
    const stream = aStream()
    const first = await house.client.appendToStream(stream, notes(3), { expectedRevision: 'no_stream', ...path })
    expect(first).toMatchObject({ success: true, nextExpectedRevision: 2n })
    const stored = await allOf(house.client.readStream(stream))
    expect(stored.map(({ event }) => event?.revision)).toEqual([0n, 1n, 2n])
    expect(stored.at(-1)?.event?.position).toEqual(first.position)
    expect(first.position?.commit).toBe(first.position?.prepare)
    const positions = stored.map(({ event }) => event?.position?.commit ?? 0n)
    expect(new Set(positions).size).toBe(3)
    expect(positions.toSorted((a, b) => Number(a - b))).toEqual(positions)
    expect((positions[1] ?? 0n) - (positions[0] ?? 0n)).toBeGreaterThan(1n)
  })

  it('says a wrong version with an empty message, whatever is wrong with it', async () => {
    const stream = aStream()
    await house.client.appendToStream(stream, notes(4), { expectedRevision: 'no_stream', ...path })
    for (const [expectedRevision, actualVersion] of [
      [1n, 3n],
      [9n, 3n],
      ['no_stream', 3n],
    ] as const) {
      const error = await failure(house.client.appendToStream(stream, notes(1), { expectedRevision, ...path }))
      expect(error).toBeInstanceOf(WrongExpectedVersionError)
      expect(error).toMatchObject({ message: '', code: undefined, streamName: stream, expectedVersion: expectedRevision, actualVersion })
    }
    for (const expectedRevision of ['stream_exists', 0n] as const) {
      const error = await failure(house.client.appendToStream(aStream(), notes(1), { expectedRevision, ...path }))
      expect(error).toMatchObject({ type: 'wrong-expected-version', expectedVersion: expectedRevision, actualVersion: 'no_stream' })
    }
  })

  it('takes an empty append: a success that writes nothing, and still checks the version', async () => {
    const stream = aStream()
    expect(await house.client.appendToStream(stream, [], { expectedRevision: 'no_stream', ...path })).toMatchObject({
      success: true,
      nextExpectedRevision: 0n,
    })
    await expect(allOf(house.client.readStream(stream))).rejects.toMatchObject({ type: 'stream-not-found' })
    await house.client.appendToStream(stream, notes(2), path)
    expect(await house.client.appendToStream(stream, [], { expectedRevision: 1n, ...path })).toMatchObject({
      success: true,
      nextExpectedRevision: 1n,
    })
    expect(await failure(house.client.appendToStream(stream, [], { expectedRevision: 7n, ...path }))).toBeInstanceOf(WrongExpectedVersionError)
    expect(await allOf(house.client.readStream(stream))).toHaveLength(2)
  })

  it('stores the same id twice when it comes twice in one append', async () => {
    const stream = aStream()
    const twice = note('twice')
    await house.client.appendToStream(stream, [twice, twice], path)
    expect(textsOf(await allOf(house.client.readStream(stream)))).toEqual(['twice', 'twice'])
  })

  it('lets exactly one of ten new appends to the same new stream win', async () => {
    const stream = aStream()
    const tries = await Promise.allSettled(
      Array.from({ length: 10 }, async (_, at) => house.client.appendToStream(stream, note(at), { expectedRevision: 'no_stream', ...path })),
    )
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const lost of tries) if (lost.status === 'rejected') expect(lost.reason).toMatchObject({ type: 'wrong-expected-version', actualVersion: 0n })
  })

  it('keeps binary data and binary metadata byte by byte', async () => {
    const stream = aStream()
    const [data, metadata] = [new Uint8Array([0, 255, 10, 13, 128]), new Uint8Array([1, 0, 254])]
    await house.client.appendToStream(stream, binaryEvent({ type: 'Blob', data, metadata }), path)
    const [stored] = await allOf(house.client.readStream(stream))
    expect(stored?.event?.isJson).toBe(false)
    expect(Buffer.from(stored?.event?.data as Uint8Array)).toEqual(Buffer.from(data))
    expect(Buffer.from(stored?.event?.metadata as Uint8Array)).toEqual(Buffer.from(metadata))
  })

  it('accepts names that look like the system’s own', async () => {
    const stream = aStream('$mine')
    await house.client.appendToStream(stream, note('x', randomUUID(), '$ownType'), path)
    expect((await allOf(house.client.readStream(stream)))[0]?.event?.type).toBe('$ownType')
  })

  it('replaces metadata whole, in a stream of its own with its own revisions', async () => {
    const stream = aStream()
    expect(await house.client.getStreamMetadata(stream)).toEqual({ streamName: stream })
    expect(await house.client.setStreamMetadata(stream, { maxCount: 7, colour: 'red' }, path)).toMatchObject({ nextExpectedRevision: 0n })
    await house.client.setStreamMetadata(stream, { maxAge: 60 }, { expectedRevision: 0n, ...path })
    expect((await house.client.getStreamMetadata(stream)).metadata).toEqual({ maxAge: 60 })
    const error = await failure(house.client.setStreamMetadata(stream, { maxAge: 1 }, { expectedRevision: 0n, ...path }))
    expect(error).toMatchObject({ type: 'wrong-expected-version', streamName: `$$${stream}`, actualVersion: 1n })
  })

  it('takes metadata that is none, which then means nothing', async () => {
    const stream = aStream()
    await house.client.appendToStream(stream, notes(3), path)
    await house.client.appendToStream(`$$${stream}`, binaryEvent({ type: '$metadata', data: Buffer.from('no json') }), path)
    expect(await house.client.getStreamMetadata(stream)).toEqual({ streamName: stream })
    expect(await allOf(house.client.readStream(stream))).toHaveLength(3)
  })

  it('refuses what is no event, and goes on', async () => {
    const stream = aStream()
    const message = 'credentials' in path ? '2 UNKNOWN: Exception was thrown by handler.' : 'Could not recognize BadRequest'
    const events = [
      { ...note(), id: 'no-uuid' },
      { ...note(), type: '' },
    ]
    for (const event of events) expect(await failure(house.client.appendToStream(stream, event, path))).toMatchObject({ type: 'unknown', message })
    expect(await failure(house.client.appendToStream('', note(), path))).toMatchObject({ type: 'unknown', message })
    await house.client.appendToStream(stream, note('fine'), { expectedRevision: 'no_stream', ...path })
  })

  it('counts data only against the limit: exactly as much passes, one byte more does not, metadata is free', async () => {
    const blob = (size: number, metadata = 0) => binaryEvent({ type: 'Blob', data: Buffer.alloc(size), metadata: Buffer.alloc(metadata) })
    // 1 MiB unless a real server was told otherwise.
    const limit = Number((await failure(house.client.appendToStream(aStream(), blob(9 * 1024 * 1024), path)))['maxAppendSize'])
    if (!house.isReal) expect(limit).toBe(1_048_576)
    const stream = aStream()
    await house.client.appendToStream(stream, blob(limit, 300_000), { expectedRevision: 'no_stream', ...path })
    const many = Array.from({ length: Math.ceil(limit / 100_000) + 1 }, () => blob(100_000))
    for (const events of [[blob(limit + 1)], many]) {
      const error = await failure(house.client.appendToStream(stream, events, { expectedRevision: 0n, ...path }))
      expect(error).toMatchObject({ type: 'maximum-append-size-exceeded', maxAppendSize: limit })
      expect(error).toMatchObject(
        'credentials' in path ? { code: 3, message: `3 INVALID_ARGUMENT: Maximum Append Size of ${limit} Exceeded.` } : { message: '' },
      )
    }
    await house.client.appendToStream(stream, notes(1), { expectedRevision: 0n, ...path })
  })
})

describe('the two paths', () => {
  it('keep the order of a client’s calls on the batch path', async () => {
    const stream = aStream()
    await Promise.all(notes(300).map(async (event) => house.client.appendToStream(stream, event)))
    expect(textsOf(await allOf(house.client.readStream(stream)))).toEqual(Array.from({ length: 300 }, (_, at) => at))
  })

  it('let calls in flight overtake each other on the classic path', async () => {
    const stream = aStream()
    await Promise.all(notes(300).map(async (event) => house.client.appendToStream(stream, event, { credentials })))
    const stored = textsOf(await allOf(house.client.readStream(stream)))
    expect(stored.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 300 }, (_, at) => at))
    expect(stored).not.toEqual(Array.from({ length: 300 }, (_, at) => at))
  })

  it('tell a missing result apart only by throwing: the client’s other way is wrong on the batch path', async () => {
    const { client, double, stop } = await startPlayground()
    await client.appendToStream('s', notes(5))
    const lenient = new EventStoreDBClient({ endpoint: `${double.host}:${double.port}`, throwOnAppendFailure: false }, { insecure: true })
    expect(await lenient.appendToStream('s', note(), { expectedRevision: 1n, credentials })).toMatchObject({
      success: false,
      nextExpectedRevision: 4n,
    })
    expect(await lenient.appendToStream('s', note(), { expectedRevision: 1n })).toMatchObject({ success: false, nextExpectedRevision: 1n })
    await lenient.dispose()
    await stop()
  })

  it('take more where the server was told to, and no message beyond 16 MiB', async () => {
    const { client, stop } = await startPlayground({ maxAppendSize: 8_388_608 })
    const blob = (size: number) => binaryEvent({ type: 'Blob', data: Buffer.alloc(size, 7) })
    for (const [, path] of paths) {
      await client.appendToStream('large', blob(7_900_000), path)
      const error = await failure(client.appendToStream('large', blob(17 * 1024 * 1024), path))
      expect(error).toMatchObject({ code: 8, message: '8 RESOURCE_EXHAUSTED: Received message exceeds the maximum configured message size.' })
    }
    const read = await allOf(client.readStream('large'))
    expect(read.map(({ event }) => (event?.data as Uint8Array | undefined)?.length)).toEqual([7_900_000, 7_900_000])
    await stop()
  })
})
