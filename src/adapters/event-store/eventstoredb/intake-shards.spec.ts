import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { collect, someEvents } from '../../../../tests/support/events.ts'
import { glassVault } from '../../../../tests/support/glass-vault.ts'
import { createPhysicalLogInMemory, type Fate } from '../../../../tests/support/physical-log.ts'
import { StoreUnavailable, type Append, type AppendResult } from '../../../domain/kernel/event-store.ts'
import { streamRef } from '../../../domain/kernel/stream.ts'
import { createAttachmentSeal } from '../../keyring/attachment-seal.ts'
import { prepare } from '../prepared.ts'
import { createBodies } from './bodies.ts'
import { createIntakeShards, type IntakeShards } from './intake-shards.ts'
import type { DeliveryPlaces } from './intake-shards-window.ts'
import { decode, encodeEvent, physicalName } from './mapping.ts'
import { shardOf } from './packs.ts'

type Log = ReturnType<typeof createPhysicalLogInMemory>

/** One process: nothing but what it knows itself, on a log that others write too. */
function openShards({ physical }: Pick<Log, 'physical'>, { places, windowSize }: { places?: DeliveryPlaces; windowSize?: number } = {}) {
  const bodies = createBodies({ physical, seal: createAttachmentSeal(glassVault) })
  const shards: IntakeShards = createIntakeShards({
    physical,
    places,
    putBodies: bodies.put,
    ...(windowSize === undefined ? {} : { windowSize }),
    own: {
      append(prepared, base) {
        const { stream, expected, events } = prepared.append
        const encoded = events.map((_, nth) => encodeEvent(prepared, nth, { base }))
        const revision = typeof expected !== 'number' ? 'any' : expected === base ? 'no_stream' : BigInt(expected - base - 1)
        void physical.append(physicalName(stream), encoded, revision).then((stored) => {
          if (stored.stored)
            return prepared.resolve({ outcome: 'appended', version: Number(stored.revision) + 1 + base, position: decodeAt(stored.position) })
          prepared.resolve({ outcome: 'conflict', version: stored.actual === undefined ? base : Number(stored.actual) + 1 + base })
        }, prepared.reject)
      },
      async *read(stream, { after, upTo }, base) {
        for (const resolved of await physical.readStream(physicalName(stream), { from: BigInt(after - base), limit: 1_000 })) {
          for (const decoded of decode(resolved)) if (decoded.event.version <= upTo) yield decoded
        }
      },
    },
  })
  const decodeAt = (commit: bigint) => positionAtCommit(commit)
  return {
    read: shards.read,
    fill: bodies.fill,
    append: (append: Append) => new Promise<AppendResult>((resolve, reject) => shards.append(prepare(append, resolve, reject))),
  }
}

const positionAtCommit = (commit: bigint) => String(commit * 1024n).padStart(20, '0') as Extract<AppendResult, { outcome: 'appended' }>['position']

const tenantId = randomUUID()
const delivery = (id: string = randomUUID()) => streamRef('delivery', tenantId, id)
/** Another delivery of the same shard. */
function sameShard(id: string): string {
  for (let nth = 0; ; nth++) if (shardOf(physicalName(delivery(`${id} ${nth}`))) === shardOf(physicalName(delivery(id)))) return `${id} ${nth}`
}

const versionsOf = async (shards: Pick<IntakeShards, 'read'>, id: string): Promise<number[]> =>
  (await collect(shards.read(delivery(id)))).map(({ event }) => event.version)

describe('deliveries that share an append', () => {
  it('puts what comes at once into few appends, and tells everybody where theirs stands', async () => {
    const log = createPhysicalLogInMemory()
    const shards = openShards(log)
    const wanted = Array.from({ length: 400 }, () => ({ stream: delivery(), expected: 0, events: someEvents() }) as const)
    const results = await Promise.all(wanted.map(shards.append))
    expect(log.appends.length).toBeLessThanOrEqual(8)
    const stored = log.events()
    expect(stored).toHaveLength(400)
    expect(stored.map(({ event }) => event.position)).toEqual(stored.map(({ event }) => event.position).toSorted())
    for (const [nth, result] of results.entries()) {
      expect(result).toMatchObject({ outcome: 'appended', version: 1 })
      const found = stored.find(({ event }) => result.outcome !== 'conflict' && event.position === result.position)
      expect(found?.event).toMatchObject({ stream: wanted[nth]?.stream, id: wanted[nth]?.events[0]?.id, version: 1 })
    }
  })

  it('does not wait for others when nobody else comes', async () => {
    const log = createPhysicalLogInMemory()
    const shards = openShards(log)
    expect(await shards.append({ stream: delivery(), expected: 0, events: someEvents() })).toMatchObject({ outcome: 'appended' })
    expect(log.appends).toHaveLength(1)
  })

  it('goes on counting where a stream of its own takes over', async () => {
    const log = createPhysicalLogInMemory()
    const [here, there] = [openShards(log), openShards(log)]
    const stream = delivery('joined')
    expect(await here.append({ stream, expected: 0, events: someEvents(3) })).toMatchObject({ outcome: 'appended', version: 3 })
    expect(await there.append({ stream, expected: 3, events: someEvents(2) })).toMatchObject({ outcome: 'appended', version: 5 })
    expect(await here.append({ stream, expected: 'any', events: someEvents(1) })).toMatchObject({ outcome: 'appended', version: 6 })
    expect(await here.append({ stream, expected: 'exists', events: someEvents(1) })).toMatchObject({ outcome: 'appended', version: 7 })
    expect(await there.append({ stream, expected: 3, events: someEvents(1) })).toMatchObject({ outcome: 'conflict', version: 7 })
    expect(await versionsOf(there, 'joined')).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect((await collect(there.read(stream, { after: 2, upTo: 5 }))).map(({ event }) => event.version)).toEqual([3, 4, 5])
    expect(log.events().map(({ event }) => event.version)).toEqual([1, 2, 3, 4, 5, 6, 7])
  })

  it('waits for what another process has just appended and nobody can read yet, instead of taking the log for another one', async () => {
    let turns = 1
    const log = createPhysicalLogInMemory({ commitTurns: () => turns })
    const [here, there] = [openShards(log), openShards(log)]
    await here.append({ stream: delivery('seen'), expected: 0, events: someEvents() })
    await there.append({ stream: delivery('seen'), expected: 0, events: someEvents() })
    turns = 200
    const mine = { stream: delivery(sameShard('seen')), expected: 0, events: someEvents() }
    const outcomes = await Promise.all([
      here.append({ stream: delivery(sameShard(sameShard('seen'))), expected: 0, events: someEvents() }),
      there.append(mine),
    ])
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['appended', 'appended'])
    expect(await here.append(mine)).toMatchObject({ outcome: 'duplicate' })
    expect(log.events()).toHaveLength(3)
  })

  it('knows a stream that has not begun', async () => {
    const shards = openShards(createPhysicalLogInMemory())
    expect(await shards.append({ stream: delivery(), expected: 1, events: someEvents() })).toEqual({ outcome: 'conflict', version: 0 })
    expect(await shards.append({ stream: delivery(), expected: 'exists', events: someEvents() })).toEqual({ outcome: 'conflict', version: 0 })
    expect(await versionsOf(shards, randomUUID())).toEqual([])
  })

  it('finds a repeat that is older than the window, by the index', async () => {
    const log = createPhysicalLogInMemory()
    const places = log.places(() => 1_000)
    const shards = openShards(log, { places, windowSize: 2 })
    const appends = Array.from({ length: 60 }, () => ({ stream: delivery(), expected: 0, events: someEvents() }) as const)
    const first: AppendResult[] = []
    for (const append of appends) first.push(await shards.append(append))
    const again = [openShards(log, { places, windowSize: 2 }), shards]
    for (const process of again) {
      for (const [nth, append] of appends.entries()) expect(await process.append(append)).toEqual({ ...first[nth], outcome: 'duplicate' })
    }
    expect(places.asked()).toBeGreaterThan(60)
    expect(log.events()).toHaveLength(60)
  })

  it('says that it cannot tell, when the index is so far behind that nothing more can be kept in mind', async () => {
    const log = createPhysicalLogInMemory()
    const places = { ...log.places(() => 0), waitFor: () => Promise.resolve(false) }
    const shards = openShards(log, { places, windowSize: 2 })
    const results: PromiseSettledResult<AppendResult>[] = []
    for (let nth = 0; nth < 150; nth++)
      results.push(...(await Promise.allSettled([shards.append({ stream: delivery(), expected: 0, events: someEvents() })])))
    const refused = results.filter((result) => result.status === 'rejected')
    expect(refused.length).toBeGreaterThan(0)
    for (const { reason } of refused) expect(reason).toBeInstanceOf(StoreUnavailable)
    expect(log.events()).toHaveLength(150 - refused.length)
    expect(log.events().length).toBeLessThanOrEqual(4 * (8 * 2 + 1))
  })

  it('makes packs smaller where the server takes less, and fails alone what it does not take at all', async () => {
    const log = createPhysicalLogInMemory({ maxAppendBytes: 3_000 })
    const shards = openShards(log)
    const big = shards.append({ stream: delivery(), expected: 0, events: someEvents(1, { data: { text: 'x'.repeat(4_000) } }) })
    const others = Array.from({ length: 40 }, () =>
      shards.append({ stream: delivery(), expected: 0, events: someEvents(1, { data: { text: 'ñ'.repeat(300) } }) }),
    )
    await expect(big).rejects.toMatchObject({ name: 'AppendTooLarge' })
    for (const { outcome } of await Promise.all(others)) expect(outcome).toBe('appended')
    expect(log.events()).toHaveLength(40)
  })

  it('stores each delivery once, whoever brings it how often, whatever becomes of appends, and whoever dies meanwhile', async () => {
    const step = fc.record({ process: fc.nat(2), id: fc.nat(30), dies: fc.boolean() })
    const fates = fc.array(fc.constantFrom<Fate>('ok', 'ok', 'ok', 'stored, unknown', 'not stored, unknown'), { minLength: 1, maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 80 }), fates, fc.nat(5), fc.nat(6), async (steps, fates, behind, slow) => {
        let asked = 0
        const log = createPhysicalLogInMemory({ fate: () => fates[asked++ % fates.length] ?? 'ok', commitTurns: () => 1 + (asked % (slow + 1)) })
        const open = () => openShards(log, { places: log.places(() => behind), windowSize: 2 })
        const processes = [open(), open(), open()]
        const acknowledged: { id: string; position: string }[] = []
        const body = (id: string) => Buffer.from(`body of ${id}`)
        await Promise.all(
          steps.map(async ({ process, id: number, dies }) => {
            const id = `delivery-${number}`
            const eventId = `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`
            if (dies) processes[process] = open()
            const by = processes[process] ?? open()
            const append = { stream: delivery(id), expected: 0, events: someEvents(1, { id: eventId, attachment: body(id) }) }
            // Meta sends again what was not acknowledged; after a while it would reach another process.
            for (let tries = 0; tries < 60; tries++) {
              const result = await (tries < 3 ? by : open()).append(append).catch((error: unknown) => error)
              if (result instanceof StoreUnavailable) continue
              expect(result).toMatchObject({ outcome: expect.stringMatching(/^(appended|duplicate)$/) as unknown, version: 1 })
              acknowledged.push({ id, position: (result as { position: string }).position })
              return
            }
          }),
        )
        const events = log.events()
        const stored = events.map(({ event }) => event.stream.id)
        expect(new Set(stored).size).toBe(stored.length)
        for (const { id, position } of acknowledged) {
          expect(events.find(({ event }) => event.stream.id === id)?.event.position).toBe(position)
        }
        const reader = open()
        for (const { event, attachment } of (await reader.fill(events)).map((event) => ({ event, attachment: event.attachment }))) {
          expect(Buffer.from(attachment ?? []).toString()).toBe(body(event.stream.id).toString())
        }
        for (const id of new Set(acknowledged.map(({ id }) => id))) expect(await versionsOf(reader, id)).toEqual([1])
      }),
      { numRuns: 150 },
    )
  })

  it('begin anew on a log that does not end where it was seen to end, after saying so once', async () => {
    const [before, restored] = [createPhysicalLogInMemory(), createPhysicalLogInMemory()]
    let { physical: present } = before
    const physical = new Proxy(before.physical, { get: (_, name) => Reflect.get(present, name) as unknown })
    const shards = openShards({ physical })
    const append = { stream: delivery('restored'), expected: 0, events: someEvents() }
    await shards.append(append)
    present = restored.physical
    const other = { ...append, stream: delivery(sameShard('restored')) }
    await expect(shards.append(other)).rejects.toMatchObject({ name: 'StoreUnavailable' })
    expect(await shards.append(other)).toMatchObject({ outcome: 'appended' })
    expect(await shards.append(append)).toMatchObject({ outcome: 'appended' })
    expect(restored.events()).toHaveLength(2)
  })

  it('spreads streams over all shards', () => {
    const counts = [0, 0, 0, 0]
    for (let nth = 0; nth < 4_000; nth++) {
      const shard = shardOf(physicalName(delivery()))
      counts[shard] = (counts[shard] ?? 0) + 1
    }
    for (const count of counts) expect(count).toBeGreaterThan(800)
  })
})
