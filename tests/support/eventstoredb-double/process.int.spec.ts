import { EventStoreDBClient } from '@eventstore/db-client'
import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allOf, credentials, eventually, failure, note, notes, textsOf } from './house.ts'
import { startDoubleProcess, type DoubleProcess } from './process.ts'

let folder: string
let server: DoubleProcess
let client: EventStoreDBClient
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'esdb-double-'))
  server = await startDoubleProcess({ data: join(folder, 'log'), graceMs: 300 })
  client = EventStoreDBClient.connectionString(server.url)
})
afterAll(async () => {
  await client.dispose()
  await server.stop()
  await rm(folder, { recursive: true })
})
const texts = async (stream: string) => textsOf(await allOf(client.readStream(stream)))

describe('the double as a process', () => {
  it('has everything it acknowledged after a kill -9, and often what it did not', async () => {
    const acknowledged: number[] = []
    let next = 0
    // Fifty callers, each until it is refused: the kill always meets appends in flight.
    const callers = Array.from({ length: 50 }, async () => {
      for (;;) {
        const at = next++
        await client.appendToStream(`s-${at}`, note(at), { expectedRevision: 'no_stream', credentials })
        acknowledged.push(at)
      }
    })
    const all = Promise.allSettled(callers)
    await eventually(() => expect(acknowledged.length).toBeGreaterThan(100))
    await server.kill()
    for (const ended of await all) expect(ended).toMatchObject({ status: 'rejected', reason: { code: 14 } })
    await server.start()
    await eventually(async () => texts(`s-${acknowledged[0]}`))
    for (const at of acknowledged) expect(await texts(`s-${at}`)).toEqual([at])
  })

  it('keeps revisions, positions, ids, metadata and tombstones over a kill', async () => {
    const events = notes(3)
    const first = await client.appendToStream('kept', events, { expectedRevision: 'no_stream', credentials })
    await client.setStreamMetadata('kept', { truncateBefore: 1 }, { credentials })
    await client.tombstoneStream('buried')
    await server.kill()
    await server.start()
    await eventually(async () => expect(await texts('kept')).toEqual([1, 2]))
    expect(await client.appendToStream('kept', events, { expectedRevision: 'no_stream', credentials })).toEqual(first)
    expect(await failure(client.appendToStream('buried', note(), { credentials }))).toMatchObject({ type: 'stream-deleted' })
  })

  it('cuts off half a line that a kill left', async () => {
    await client.appendToStream('whole', note('whole'), { credentials })
    await server.kill()
    await appendFile(join(folder, 'log'), '[{"position":99999999,"stream":"who')
    await server.start()
    await eventually(async () => expect(await texts('whole')).toEqual(['whole']))
    await client.appendToStream('whole', note('more'), { expectedRevision: 0n, credentials })
    await server.kill()
    await server.start()
    await eventually(async () => expect(await texts('whole')).toEqual(['whole', 'more']))
  })

  it('stores nothing whose deadline passed while it was frozen', async () => {
    // The batch path's call is open and the server's features are known before: both would otherwise wait for the thaw.
    await client.appendToStream('primed', note())
    server.freeze()
    expect(await failure(client.appendToStream('frozen', note(), { credentials, deadline: 200 }))).toMatchObject({
      type: 'deadline-exceeded',
      code: 4,
    })
    const batch = failure(client.appendToStream('frozen', note(), { deadline: 200 }))
    const patient = client.appendToStream('patient', note('waited'), { credentials, deadline: 60_000 })
    // Longer than the batch append's deadline, which only the server keeps.
    await new Promise((done) => setTimeout(done, 400))
    server.thaw()
    expect(await batch).toMatchObject({ type: 'deadline-exceeded', code: undefined, message: '' })
    await patient
    await expect(texts('frozen')).rejects.toMatchObject({ type: 'stream-not-found' })
  })

  it('lets no second server at its data before it is gone', async () => {
    await expect(startDoubleProcess({ data: join(folder, 'log') })).rejects.toThrow(/exclusive lock/)
  })

  it('leaves on SIGTERM and comes back', async () => {
    await client.appendToStream('term', note('before'), { credentials })
    await server.terminate()
    expect(await failure(client.appendToStream('term', note(), { credentials }))).toMatchObject({ code: 14 })
    await server.start()
    await eventually(async () => expect(await texts('term')).toEqual(['before']))
  })
})
