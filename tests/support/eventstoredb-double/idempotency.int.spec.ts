import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { aStream, allOf, eventually, failure, note, notes, paths, startHouse, startPlayground, textsOf } from './house.ts'

let house: Awaited<ReturnType<typeof startHouse>>
beforeAll(async () => {
  house = await startHouse()
})
afterAll(async () => house.stop())
const texts = async (stream: string) => textsOf(await allOf(house.client.readStream(stream)))

describe.each(paths)('repeating an append (%s)', (_, path) => {
  const append = async (stream: string, events: ReturnType<typeof notes>, expectedRevision: 'any' | 'no_stream' | 'stream_exists' | bigint) =>
    house.client.appendToStream(stream, events, { expectedRevision, ...path })
  async function withThree() {
    const stream = aStream()
    const e = notes(3, 1)
    const first = await append(stream, e, 'no_stream')
    return { stream, e, first }
  }

  it('gives the original result for the same ids and the original revision, for "any" and for "stream_exists"', async () => {
    const { stream, e, first } = await withThree()
    for (const expected of ['no_stream', 'any', 'stream_exists'] as const) expect(await append(stream, e, expected)).toEqual(first)
    expect(await texts(stream)).toEqual([1, 2, 3])
  })

  it('writes them again at the current revision', async () => {
    const { stream, e } = await withThree()
    expect(await append(stream, e, 2n)).toMatchObject({ nextExpectedRevision: 5n })
    expect(await texts(stream)).toEqual([1, 2, 3, 1, 2, 3])
  })

  it('is a wrong version anywhere else', async () => {
    const { stream, e } = await withThree()
    for (const expected of [0n, 7n])
      expect(await failure(append(stream, e, expected))).toMatchObject({ type: 'wrong-expected-version', actualVersion: 2n })
  })

  it('still knows them after later events, one by one and in a row', async () => {
    const { stream, e, first } = await withThree()
    const f = notes(2, 10)
    await append(stream, f, 2n)
    expect(await append(stream, e, 'no_stream')).toEqual(first)
    expect(await append(stream, e, 'any')).toEqual(first)
    expect(await append(stream, [...e, ...f], 'no_stream')).toMatchObject({ nextExpectedRevision: 4n })
    expect(await append(stream, e.slice(0, 1), 'no_stream')).toMatchObject({ nextExpectedRevision: 0n })
    expect(await append(stream, e.slice(1, 2), 0n)).toMatchObject({ nextExpectedRevision: 1n })
    expect(await failure(append(stream, e.slice(0, 2).reverse(), 'no_stream'))).toMatchObject({ type: 'wrong-expected-version' })
    expect(await texts(stream)).toEqual([1, 2, 3, 10, 11])
  })

  it('compares ids only', async () => {
    const { stream, e, first } = await withThree()
    const other = e.map(({ id }) => note('other', id, 'OtherType'))
    expect(await append(stream, other, 'no_stream')).toEqual(first)
    expect(await texts(stream)).toEqual([1, 2, 3])
  })

  it('calls half a repeat a wrong version, of "any" too, and writes it at the current revision', async () => {
    const stream = aStream()
    const [e1, e2, f1, f2] = [note('e1'), note('e2'), note('f1'), note('f2')]
    await append(stream, [e1, e2], 'no_stream')
    expect(await failure(append(stream, [e1, e2, f1, f2], 'no_stream'))).toMatchObject({ actualVersion: 1n })
    expect(await failure(append(stream, [e1, e2, f1, f2], 'any'))).toMatchObject({ expectedVersion: 'any', actualVersion: 1n })
    await append(stream, [e1, e2, f1, f2], 1n)
    expect(await texts(stream)).toEqual(['e1', 'e2', 'e1', 'e2', 'f1', 'f2'])
  })

  it('decides "any" by the first id alone', async () => {
    const stream = aStream()
    const [e1, f1] = [note('e1'), note('f1')]
    await append(stream, [e1], 'any')
    await append(stream, [f1, e1], 'any')
    expect(await texts(stream)).toEqual(['e1', 'f1', 'e1'])
  })

  it('knows ids per stream, however long ago', async () => {
    const { stream, e, first } = await withThree()
    expect(await append(aStream(), e, 'no_stream')).toMatchObject({ nextExpectedRevision: 2n })
    for (let round = 0; round < 10; round += 1) await append(stream, notes(100), 'any')
    expect(await append(stream, e, 'any')).toEqual(first)
    expect(await append(stream, e, 'no_stream')).toEqual(first)
  })

  it('drops a repeat while the first is in flight: a time-out for what is stored', async () => {
    const { client, double, stop } = await startPlayground({ commitTimeoutMs: () => 50 })
    // A client's first call asks for the server's features: after this one, calls leave in the order in which they are made.
    await client.appendToStream('other', note(), path)
    const resume = double.pauseDisk()
    const event = note('once')
    const first = client.appendToStream('s', event, { expectedRevision: 'no_stream', ...path })
    await eventually(() => expect(double.inFlight()).toBe(1))
    const repeat = await failure(client.appendToStream('s', event, { expectedRevision: 'no_stream', ...path }))
    expect(repeat).toMatchObject(
      'credentials' in path
        ? { type: 'timeout', code: 10, message: '10 ABORTED: Operation timed out: Commit phase timeout.' }
        : { type: 'deadline-exceeded', code: undefined, message: '' },
    )
    resume()
    const stored = await first
    expect(await client.appendToStream('s', event, { expectedRevision: 'no_stream', ...path })).toEqual(stored)
    expect(await allOf(client.readStream('s'))).toHaveLength(1)
    await stop()
  })
})
