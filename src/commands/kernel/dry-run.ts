import type { NewEvent, RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { Append, AppendResult, EventStore } from '../../domain/kernel/event-store.ts'
import { start } from '../../domain/kernel/position.ts'
import { streamName, type StreamRef } from '../../domain/kernel/stream.ts'
import type { Vault } from '../../domain/kernel/vault.ts'

/** An event that would have been appended. Its personal fields hold no more than that they would be sealed. */
export type WouldAppend = { readonly stream: StreamRef; readonly version: number; readonly event: NewEvent }

type Overlay = { readonly base: number; readonly events: RecordedEvent[] }

/**
 * A store that reads the real log and keeps what is appended to itself: whatever runs on it decides as it would in earnest, on top of what it
 * "appended" before, and leaves nothing behind. For one dry run, then thrown away.
 * Positions of what is not in the log are the start: to wait for them is to wait for nothing.
 */
export function createDryStore(store: EventStore): { readonly store: EventStore; readonly appended: () => readonly WouldAppend[] } {
  const overlays = new Map<string, Overlay>()
  const all: WouldAppend[] = []

  /** What the stream has behind a version in the real log. */
  async function behind(stream: StreamRef, version: number): Promise<readonly RecordedEvent[]> {
    return Array.fromAsync(store.readStream(stream, { after: version }))
  }

  /** A caller usually knows it: then the event at that version is all that is read. */
  async function versionOf(stream: StreamRef, probably: number): Promise<number> {
    const last = (await behind(stream, Math.max(0, probably - 1))).at(-1) ?? (await behind(stream, 0)).at(-1)
    return last?.version ?? 0
  }

  async function append({ stream, expected, events }: Append): Promise<AppendResult> {
    const key = streamName(stream)
    const from = typeof expected === 'number' ? expected : 0
    const known = overlays.get(key)
    const overlay = known ?? { base: await versionOf(stream, from), events: [] }
    const version = overlay.base + overlay.events.length
    const isGood = expected === 'any' || (expected === 'exists' ? version > 0 : version === expected)
    if (!isGood) {
      const there = [...(await behind(stream, from)), ...overlay.events].filter((event) => event.version > from)
      const last = there[events.length - 1]
      const repeats = last !== undefined && events.every(({ id }, index) => there[index]?.id === id)
      return repeats ? { outcome: 'duplicate', version: last.version, position: last.position } : { outcome: 'conflict', version }
    }
    for (const [index, event] of events.entries()) {
      const at = version + index + 1
      overlay.events.push({ ...event, stream, version: at, position: start, recordedAt: new Date(event.meta.occurredAt) })
      all.push({ stream, version: at, event })
    }
    overlays.set(key, overlay)
    return { outcome: 'appended', version: version + events.length, position: start }
  }

  async function* readStream(stream: StreamRef, options: Parameters<EventStore['readStream']>[1] = {}): AsyncGenerator<RecordedEvent> {
    const overlay = overlays.get(streamName(stream))
    const { after = 0, upTo = Number.POSITIVE_INFINITY } = options
    const base = overlay === undefined ? upTo : Math.min(upTo, overlay.base)
    if (after < base) yield* store.readStream(stream, Number.isFinite(base) ? { ...options, upTo: base } : options)
    for (const event of overlay?.events ?? []) if (event.version > after && event.version <= upTo) yield event
  }

  return { store: { ...store, append, readStream, close: () => Promise.resolve() }, appended: () => all }
}

/** Opens like the real one and makes no key: what it "seals" can never be opened, and holds nothing. */
export const createDryVault = (vault: Vault): Vault => ({
  ...vault,
  ensure: (tenantId) => vault.ensure(tenantId, []),
  has: () => true,
  seal: () => '',
  sealBytes: () => new Uint8Array(),
})
