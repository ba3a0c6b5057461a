import { beforeEach, describe, expect, it } from 'vitest'
import { collect, someEvents, someStream } from '../../../tests/support/events.ts'
import { createMemoryEventStore } from '../../adapters/event-store/memory/event-store.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { createDryStore } from './dry-run.ts'

describe('a dry run', () => {
  const stream = someStream()
  let real: EventStore
  let dry: ReturnType<typeof createDryStore>
  beforeEach(async () => {
    real = createMemoryEventStore()
    await real.append({ stream, expected: 0, events: someEvents(3) })
    dry = createDryStore(real)
  })
  const versions = async (options?: Parameters<EventStore['readStream']>[1]) =>
    (await collect(dry.store.readStream(stream, options))).map(({ version }) => version)

  it('reads what it "appended" behind what is in the log, and leaves nothing there', async () => {
    const head = await real.head()
    expect(await dry.store.append({ stream, expected: 3, events: someEvents(2) })).toMatchObject({ outcome: 'appended', version: 5 })
    expect(await dry.store.append({ stream, expected: 5, events: someEvents(1) })).toMatchObject({ outcome: 'appended', version: 6 })
    expect(await versions()).toEqual([1, 2, 3, 4, 5, 6])
    expect(await versions({ after: 4 })).toEqual([5, 6])
    expect(await versions({ after: 1, upTo: 5 })).toEqual([2, 3, 4, 5])
    expect(dry.appended().map(({ version }) => version)).toEqual([4, 5, 6])
    expect(await real.head()).toEqual(head)
    expect(await collect(real.readStream(stream))).toHaveLength(3)
  })
  it('refuses what the log would refuse', async () => {
    expect(await dry.store.append({ stream, expected: 2, events: someEvents(1) })).toEqual({ outcome: 'conflict', version: 3 })
    expect(await dry.store.append({ stream, expected: 4, events: someEvents(1) })).toMatchObject({ outcome: 'conflict' })
    expect(await dry.store.append({ stream: someStream(), expected: 'exists', events: someEvents(1) })).toMatchObject({ outcome: 'conflict' })
    await dry.store.append({ stream, expected: 3, events: someEvents(1) })
    expect(await dry.store.append({ stream, expected: 3, events: someEvents(1) })).toEqual({ outcome: 'conflict', version: 4 })
    expect(dry.appended()).toHaveLength(1)
  })
  it('knows a repeat, of the log and of itself', async () => {
    const stored = await collect(real.readStream(stream))
    const again = stored.slice(1).map(({ stream: _stream, version: _version, position: _position, recordedAt: _at, ...event }) => event)
    expect(await dry.store.append({ stream, expected: 1, events: again })).toMatchObject({ outcome: 'duplicate', version: 3 })
    const fresh = someEvents(2)
    await dry.store.append({ stream, expected: 'any', events: fresh })
    expect(await dry.store.append({ stream, expected: 3, events: fresh })).toMatchObject({ outcome: 'duplicate', version: 5 })
    expect(dry.appended()).toHaveLength(2)
  })
})
