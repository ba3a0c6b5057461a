import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { expect } from 'vitest'
import type { AppendResult, EventStore, Expected } from '../../src/domain/kernel/event-store.ts'
import { streamRef } from '../../src/domain/kernel/stream.ts'
import { collect, someEvents } from '../support/events.ts'

/** One append: which store, which of a few streams, how many events, what it expects, and how long it waits before (0 = in the same turn). */
type Step = {
  readonly store: number
  readonly stream: number
  readonly events: number
  readonly expects:
    | { readonly kind: 'any' | 'exists' }
    | { readonly kind: 'exact'; readonly version: number }
    | { readonly kind: 'repeat'; readonly of: number }
  readonly pauseMs: number
}

export const interleaving = (stores: number): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.record({
      store: fc.nat(stores - 1),
      stream: fc.nat(2),
      events: fc.integer({ min: 1, max: 4 }),
      expects: fc.oneof(
        fc.constant({ kind: 'any' } as const),
        fc.constant({ kind: 'exists' } as const),
        fc.record({ kind: fc.constant('exact' as const), version: fc.nat(8) }),
        fc.record({ kind: fc.constant('repeat' as const), of: fc.nat(30) }),
      ),
      pauseMs: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(3)),
    }),
    { minLength: 1, maxLength: 40 },
  )

/**
 * Plays the steps, all of them in flight together, and holds every answer against what the streams then hold. A `repeat` sends an earlier exact append again,
 * ids and expected version as they were. The order of commits is free; what each answer says must be true of it.
 */
export async function playOut(stores: readonly EventStore[], steps: readonly Step[]): Promise<void> {
  const tenantId = randomUUID()
  const appends: { stream: number; expected: Expected; events: ReturnType<typeof someEvents> }[] = []
  const running: Promise<AppendResult>[] = []
  for (const { store, stream, events, expects, pauseMs } of steps) {
    const before = expects.kind === 'repeat' ? appends[expects.of] : undefined
    const fresh = {
      stream,
      expected: expects.kind === 'exact' ? expects.version : expects.kind === 'repeat' ? 0 : expects.kind,
      events: someEvents(events),
    }
    const append = before !== undefined && typeof before.expected === 'number' ? before : fresh
    if (pauseMs > 0) await sleep(pauseMs)
    appends.push(append)
    const target = stores[store]
    if (target === undefined) throw new Error('a step names a store')
    running.push(target.append({ stream: ref(tenantId, append.stream), expected: append.expected, events: append.events }))
  }
  const results = await Promise.all(running)
  const [reader] = stores
  if (reader === undefined) throw new Error('a play needs a store')
  const stored = await Promise.all([0, 1, 2].map((stream) => collect(reader.readStream(ref(tenantId, stream)))))
  for (const events of stored) {
    expect(events.map(({ version }) => version)).toEqual(events.map((_, index) => index + 1))
    expect(events.map(({ position }) => position)).toEqual(events.map(({ position }) => position).toSorted())
  }
  let appended = 0
  for (const [index, { stream, expected, events }] of appends.entries()) {
    const result = results[index]
    const there = stored[stream] ?? []
    if (result === undefined) throw new Error('every append is answered')
    const ids = events.map(({ id }) => id)
    if (result.outcome === 'conflict') {
      expect(result.version).toBeLessThanOrEqual(there.length)
      if (typeof expected === 'number') expect(result.version).not.toBe(expected)
      else expect([expected, result.version]).toEqual(['exists', 0])
      continue
    }
    // Appended or repeated: the very events stand right there, once, behind the version that was expected.
    expect(there.slice(result.version - ids.length, result.version).map(({ id }) => id)).toEqual(ids)
    expect(there[result.version - 1]?.position).toBe(result.position)
    if (typeof expected === 'number') expect(result.version - ids.length).toBe(expected)
    if (expected === 'exists') expect(result.version).toBeGreaterThan(ids.length)
    if (result.outcome === 'appended') appended += ids.length
  }
  expect(stored.reduce((sum, events) => sum + events.length, 0)).toBe(appended)
}

const ref = (tenantId: string, stream: number) => streamRef('conversation', tenantId, `stream-${stream}`)
