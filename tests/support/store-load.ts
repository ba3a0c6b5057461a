import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NewEvent, RecordedEvent } from '../../src/domain/kernel/envelope.ts'
import { StoreUnavailable, type Append, type EventStore } from '../../src/domain/kernel/event-store.ts'
import { start, type Position } from '../../src/domain/kernel/position.ts'
import { streamName, streamRef, type StreamRef } from '../../src/domain/kernel/stream.ts'
import { someEvents } from './events.ts'

type Acknowledged = { readonly stream: string; readonly version: number; readonly position: Position; readonly ids: readonly string[] }

/**
 * Callers that append until they are told to stop, as the program does: exact versions, and after every refusal the same ids and the same version again.
 * Every caller is the only one of its streams, so a conflict is an append that was stored and denied. Some repeat what was acknowledged.
 */
export function startLoad(store: EventStore, { callers, tenantId = randomUUID() }: { callers: number; tenantId?: string }) {
  const acknowledged: Acknowledged[] = []
  const mistakes: string[] = []
  const refusals: { readonly reason: string; readonly after: number }[] = []
  const stopping = new AbortController()

  /** Until it is known, however often that takes. */
  async function surely(append: Append): Promise<Acknowledged> {
    for (;;) {
      const began = performance.now()
      try {
        const result = await store.append(append)
        const name = streamName(append.stream)
        if (result.outcome === 'conflict') {
          mistakes.push(`${name}: conflict at ${String(append.expected)}, the stream is at ${result.version}`)
          return { stream: name, version: result.version, position: start, ids: [] }
        }
        return { stream: name, version: result.version, position: result.position, ids: append.events.map(({ id }) => id) }
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error
        refusals.push({ reason: error.reason, after: performance.now() - began })
        await sleep(50 + Math.random() * 100)
      }
    }
  }
  async function repeat(append: Append, first: Acknowledged): Promise<void> {
    const again = await surely(append)
    if (again.version !== first.version || again.position !== first.position)
      mistakes.push(
        `${first.stream}: a repeat was answered ${again.version} at ${again.position}, first it was ${first.version} at ${first.position}`,
      )
  }
  async function one(stream: StreamRef, expected: number, events: NewEvent[]): Promise<number> {
    const append = { stream, expected, events }
    const stored = await surely(append)
    acknowledged.push(stored)
    if (stored.version !== expected + events.length)
      mistakes.push(`${stored.stream}: ${events.length} events after ${expected} made version ${stored.version}`)
    if (Math.random() < 0.05) await repeat(append, stored)
    return stored.version
  }
  /** A conversation that grows, and in between deliveries of one event each, with a body. */
  async function caller(): Promise<void> {
    const own = streamRef('conversation', tenantId, randomUUID())
    for (let version = 0; !stopping.signal.aborted;) {
      version = await one(own, version, someEvents(1 + Math.floor(Math.random() * 3)))
      await one(streamRef('delivery', tenantId, randomUUID()), 0, someEvents(1, { attachment: Buffer.from(`body ${version}`) }))
    }
  }

  const working = Array.from({ length: callers }, caller)
  return {
    tenantId,
    acknowledged,
    mistakes,
    refusals,
    /** Every caller ends with an append that is acknowledged. */
    async stop(): Promise<void> {
      stopping.abort()
      await Promise.all(working)
    },
  }
}
export type Load = ReturnType<typeof startLoad>

/**
 * What became of a load: lost, doubled, broken streams, out of order. All empty when all is well. `events` are the tenant's, in log order, as somebody read them.
 */
export function verdict(load: Pick<Load, 'acknowledged'>, events: readonly RecordedEvent[]) {
  const ids = events.map(({ id }) => id)
  const places = new Map(events.map((event) => [event.id, event]))
  const versions = new Map<string, number>()
  const broken = new Set<string>()
  let outOfOrder = 0
  for (const [at, { stream, version, position }] of events.entries()) {
    const name = streamName(stream)
    if (version !== (versions.get(name) ?? 0) + 1) broken.add(name)
    versions.set(name, version)
    if (at > 0 && position <= (events[at - 1]?.position ?? start)) outOfOrder += 1
  }
  const misplaced = load.acknowledged.filter((known) => {
    const last = places.get(known.ids.at(-1) ?? '')
    return last !== undefined && (last.position !== known.position || last.version !== known.version || streamName(last.stream) !== known.stream)
  })
  return {
    lost: load.acknowledged.flatMap((known) => known.ids).filter((id) => !places.has(id)),
    doubled: ids.length - places.size,
    broken: [...broken],
    outOfOrder,
    misplaced,
  }
}
export const allIsWell = { lost: [], doubled: 0, broken: [], outOfOrder: 0, misplaced: [] }
