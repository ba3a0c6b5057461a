import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { collect, followUntil, someEvents } from '../../../../tests/support/events.ts'
import { startDouble, type Double } from '../../../../tests/support/eventstoredb-double/double.ts'
import { eventStoreDbServer, type EventStoreDbServer } from '../../../../tests/support/eventstoredb-server.ts'
import { glassVault } from '../../../../tests/support/glass-vault.ts'
import { streamRef } from '../../../domain/kernel/stream.ts'
import { createAttachmentSeal } from '../../keyring/attachment-seal.ts'
import { createEventStoreDbEventStore, type EventStoreDb, type EventStoreDbOptions } from './event-store.ts'

const mebibyte = 1024 * 1024
const tenantId = randomUUID()
const attachments = createAttachmentSeal(glassVault)
const some = (id: string = randomUUID()) => streamRef('delivery', tenantId, id)

let double: Double
/** A real one where there is one: the double misbehaves for the other tests. */
let server: EventStoreDbServer
let now = Date.now()
let opened: EventStoreDb[] = []
beforeAll(async () => {
  double = await startDouble({ now: () => now })
  server = await eventStoreDbServer()
})
afterEach(async () => {
  double.behave()
  await Promise.all(opened.map((store) => store.close()))
  opened = []
})
afterAll(async () => {
  await double.stop()
  await server.stop()
})

const open = (options: Partial<EventStoreDbOptions> = {}): EventStoreDb => {
  const store = createEventStoreDbEventStore({ url: double.url, attachments, ...options })
  opened.push(store)
  return store
}

describe('raw bodies on EventStoreDB', () => {
  it('may be larger than what the server takes in one append', async () => {
    const store = open({ url: server.url })
    const from = (await store.head()).position
    const sizes = [3 * mebibyte, 10, mebibyte, mebibyte + 1, 2_000]
    const bodies = sizes.map((size) => randomBytes(size))
    await Promise.all(bodies.map((attachment) => store.append({ stream: some(), expected: 0, events: someEvents(1, { attachment }) })))
    const reader = open({ url: server.url })
    const found: Buffer[] = []
    for (let after = from; found.length < bodies.length;) {
      const { events, through } = await reader.readAll({ after, limit: 100, attachments: true, filter: { tenantId } })
      found.push(...events.map(({ attachment }) => Buffer.from(attachment ?? [])))
      after = through
    }
    expect(found.toSorted((a, b) => a.length - b.length).map((body) => body.toString('base64'))).toEqual(
      bodies.toSorted((a, b) => a.length - b.length).map((body) => body.toString('base64')),
    )
  })

  it('come to one who follows the log in pages that are never much heavier than one body', async () => {
    const store = open({ url: server.url })
    const from = (await store.head()).position
    const body = randomBytes(3 * mebibyte)
    for (let nth = 0; nth < 12; nth++) await store.append({ stream: some(), expected: 0, events: someEvents(1, { attachment: body }) })
    const { events, deliveries } = await followUntil(
      open({ url: server.url }),
      { after: from, attachments: true, filter: { tenantId } },
      (seen) => seen.length === 12,
    )
    for (const { attachment } of events) expect(body.equals(attachment ?? Buffer.alloc(0))).toBe(true)
    for (const delivery of deliveries) {
      if (delivery.kind === 'page')
        expect(delivery.events.reduce((sum, { attachment }) => sum + (attachment?.byteLength ?? 0), 0)).toBeLessThan(24 * mebibyte)
    }
  })

  it('are read in few round trips: those of a page stand close together', async () => {
    const store = open()
    const from = (await store.head()).position
    await Promise.all(
      Array.from({ length: 800 }, (_, nth) =>
        store.append({ stream: some(), expected: 0, events: someEvents(1, { attachment: Buffer.from(`body ${nth}`) }) }),
      ),
    )
    const blobs = double.log().filter(({ stream }) => stream.startsWith('raw-')).length
    expect(blobs).toBeLessThan(100)
    const { events } = await open().readAll({ after: from, limit: 1_000, attachments: true })
    expect(new Set(events.map(({ attachment }) => Buffer.from(attachment ?? []).toString())).size).toBe(800)
  })

  it('are durable before their event is: a delivery that is in the log has its body', async () => {
    const store = open()
    const id = randomUUID()
    // The event is stored only when its body was; where the body never is, the event must not be either.
    double.misbehave({ kind: 'hang', on: ['append'], streams: (name) => name.startsWith('raw-') })
    const refused = store.append({ stream: some(id), expected: 0, events: someEvents(1, { attachment: Buffer.from('body') }) })
    await expect(refused).rejects.toMatchObject({ name: 'StoreUnavailable' })
    double.behave()
    expect(await collect(open().readStream(some(id)))).toEqual([])
  })

  it('read as absent once they were purged or have aged, and their events stay', async () => {
    const store = open({ purged: ({ stream }) => Promise.resolve(stream.id === 'purged') })
    const append = (id: string) => store.append({ stream: some(id), expected: 0, events: someEvents(1, { attachment: Buffer.from(id) }) })
    await append('purged')
    await append('old')
    await store.keepBodiesFor(3_600)
    now += 2 * 3_600_000
    await append('young')
    // Another process: nothing of it is at hand.
    const reader = open({ purged: ({ stream }) => Promise.resolve(stream.id === 'purged') })
    const read = async (id: string) => {
      const [event] = await collect(reader.readStream(some(id), { attachments: true }))
      return event === undefined ? 'no event' : event.attachment === undefined ? 'no body' : Buffer.from(event.attachment).toString()
    }
    expect([await read('purged'), await read('old'), await read('young')]).toEqual(['no body', 'no body', 'young'])
    await store.keepBodiesFor(undefined)
    expect(await read('old')).toBe('old')
  })
})
