import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreUnavailable } from '../../../domain/kernel/event-store.ts'
import type { Position } from '../../../domain/kernel/position.ts'
import type { StreamRef } from '../../../domain/kernel/stream.ts'
import type { Unit } from '../postgres/append-batch.ts'
import type { AppendQueue } from '../postgres/append-queue.ts'
import { bodiesOfAppend, type Body } from './bodies.ts'
import type { BodyPlace } from './decoded.ts'
import { AppendTooLarge } from './failure.ts'
import type { Begun, DeliveryPlaces, Window } from './intake-shards-window.ts'
import { physicalName } from './mapping.ts'
import { encodePack, entryText, intakeStream, positionAt } from './packs.ts'
import type { PhysicalLog } from './physical-log.ts'

export type PackInfo = { readonly appends: number; readonly events: number; readonly ms: number; readonly queued: number }

export type ShardOptions = {
  readonly shard: number
  readonly physical: Pick<PhysicalLog, 'append' | 'limits'>
  readonly window: Window
  readonly places?: Pick<DeliveryPlaces, 'ofDeliveries'> | undefined
  readonly queue: AppendQueue
  readonly putBodies: (bodies: readonly Body[]) => Promise<readonly BodyPlace[]>
  /** The stream has begun already: decides what is appended to it now, and answers its callers. */
  readonly decideBegun: (unit: Unit, begun: Begun) => Promise<void>
  /** What stands where the index says that a stream begins. */
  readonly begunAt: (name: string, position: Position) => Promise<Begun>
  /** Whether it has begun, for certain: for what is not to begin it. */
  readonly locate: (stream: StreamRef) => Promise<Begun | undefined>
  /** Milliseconds that the log's time is not before, if there is anything to say. */
  readonly floor: () => number | undefined
  readonly onStored: (position: Position, recordedAt: number | undefined, info: PackInfo) => void
}

/** Ready for the log: its bodies are durable, and up to revision `seen` of the shard nobody had its stream. */
type Fresh = { readonly unit: Unit; readonly name: string; readonly bodies: readonly (BodyPlace | undefined)[]; readonly seen: bigint }

/** Enough that the server's cost per append is spread thin; a reader of one delivery reads its pack. */
const packEvents = 128
const packBytes = 512 * 1024
/** How long what was accepted may stay unread: the server gives up on commits after some 2 s. */
const commitPatienceMs = 5_000
/** Taken from the queue at once, bodies included. */
const batchBytes = 4 * 1024 * 1024

/**
 * One shard of the deliveries, written in two steps that overlap: PREPARING (is it new, as far as window and index know? its bodies go to their stream) and
 * COMMITTING (one append in flight, which expects exactly the revision up to which the window knows everything). What comes while a step is busy goes into its
 * next turn; nobody waits for a timer.
 *
 * Invariant: a delivery begins once. An append is only ever made against the exact end that the window knows, so another process that was faster, or our own append
 * of which nobody knew whether it was stored, makes it fail; then what is new is read, repeats are taken out, and it is tried again. The server decides on
 * what it has accepted and shows what it has committed: what made our append fail may not be there to be read for a moment.
 */
export function createShard({ shard, physical, window, places, queue, putBodies, decideBegun, begunAt, locate, floor, onStored }: ShardOptions) {
  const stream = intakeStream(shard)
  const prepared: Fresh[] = []
  let preparing = false
  let committing = false
  let packed: readonly Fresh[] = []

  /** Up to where the window may forget: of what came after a look-up that has not become an append yet, nothing. */
  const mayForget = (): bigint => [...packed, ...prepared].reduce((least, { seen }) => (seen < least ? seen : least), window.tip())

  async function prepare(): Promise<void> {
    preparing = true
    // What comes in one turn of the event loop goes together.
    await new Promise(setImmediate)
    // Two packs that wait are enough: more would only hold bodies in memory that callers still wait for anyway.
    while (queue.readySize() > 0 && prepared.length < 2 * packEvents) {
      const units = queue.take(packEvents, batchBytes)
      try {
        await prepareBatch(units)
      } catch (error) {
        fail(
          units.map((unit) => ({ unit })),
          error,
        )
      }
    }
    preparing = false
  }

  async function prepareBatch(units: readonly Unit[]): Promise<void> {
    await window.ready()
    await window.trim(mayForget())
    const seen = window.tip()
    const beginning: { unit: Unit; name: string }[] = []
    for (const unit of units) {
      const name = nameOf(unit)
      const begun = window.get(name)
      if (begun !== undefined) answerBegun(unit, begun)
      else if (begins(unit)) beginning.push({ unit, name })
      else answerBegun(unit, locate(streamOf(unit)))
    }
    try {
      const [positions, bodies] = await Promise.all([
        window.whole() || places === undefined ? [] : places.ofDeliveries(beginning.map(({ unit }) => streamOf(unit))),
        putBodies(beginning.flatMap(({ unit }) => bodiesOf(unit).flatMap((body) => body ?? []))),
      ])
      let nth = 0
      for (const [index, { unit, name }] of beginning.entries()) {
        const own = bodiesOf(unit).map((body) => (body === undefined ? undefined : bodies[nth++]))
        const position = positions[index]
        if (position === undefined) prepared.push({ unit, name, bodies: own, seen })
        else answerBegun(unit, begunAt(name, position))
      }
    } catch (error) {
      return fail(beginning, error)
    }
    if (!committing) void commit()
  }

  async function commit(): Promise<void> {
    committing = true
    while (prepared.length > 0) {
      packed = takePack()
      await commitPack(packed)
      packed = []
      if (!preparing && queue.readySize() > 0) void prepare()
    }
    committing = false
  }

  async function commitPack(pack: readonly Fresh[]): Promise<void> {
    let left = pack
    try {
      while (left.length > 0) {
        // Known while an append is made: one that is answered into a window that is just being loaded would hide what came before it.
        await window.ready()
        left = left.filter(({ unit, name }) => {
          const begun = window.get(name)
          if (begun !== undefined) answerBegun(unit, begun)
          return begun === undefined
        })
        if (left.length > 0 && (await appended(left))) return
      }
    } catch (error) {
      if (error instanceof AppendTooLarge && left.length > 1) {
        const half = left.length >> 1
        await commitPack(left.slice(0, half))
        await commitPack(left.slice(half))
      } else fail(left, error)
    }
  }

  /** False when others were faster; what they appended is known then. */
  async function appended(left: readonly Fresh[]): Promise<boolean> {
    const since = performance.now()
    const tip = window.tip()
    const recordedAt = floor()
    const entries = left.flatMap((fresh) => entriesOf(fresh, recordedAt))
    const stored = await physical.append(stream, [encodePack(entries, randomUUID())], tip === -1n ? 'no_stream' : tip)
    if (stored.stored) {
      remember(left, stored)
      onStored(positionAt(stored.position, entries.length - 1), recordedAt, {
        appends: left.length,
        events: entries.length,
        ms: performance.now() - since,
        queued: queue.readySize(),
      })
      answer(left, stored.position)
      return true
    }
    if (stored.actual !== undefined && stored.actual > tip) {
      await seenThrough(stored.actual)
      return false
    }
    // The stream ends before where we saw it end: it is not the log that we knew (a restored copy). Nothing that we believe about it holds.
    window.reset()
    fail(prepared.splice(0), lost())
    throw lost()
  }

  /** @throws StoreUnavailable when it is not shown in time: it may never have been committed, after a change of leaders. */
  async function seenThrough(revision: bigint): Promise<void> {
    const since = performance.now()
    for (let tries = 0; ; tries++) {
      await window.refresh()
      if (window.tip() >= revision) return
      if (performance.now() - since > commitPatienceMs) throw unseen()
      await sleep(Math.min(200, 2 ** tries))
    }
  }

  function takePack(): Fresh[] {
    const limit = Math.min(packBytes, physical.limits.maxAppendBytes)
    let events = 0
    let bytes = 2
    let count = 0
    for (const { unit } of prepared) {
      events += unit.events
      bytes += jsonBytes(unit)
      if (count > 0 && (events > packEvents || bytes > limit)) break
      count++
    }
    return prepared.splice(0, count)
  }

  function remember(left: readonly Fresh[], { revision, position }: { revision: bigint; position: bigint }): void {
    let nth = 0
    for (const { unit, name } of left) {
      window.add(name, { first: positionAt(position, nth), count: unit.events, id: firstId(unit), revision })
      nth += unit.events
    }
  }

  function answer(left: readonly Fresh[], commit: bigint): void {
    let nth = 0
    for (const { unit } of left) {
      let version = 0
      for (const { append, resolve } of unit.callers) {
        version += append.events.length
        resolve({ outcome: 'appended', version, position: positionAt(commit, nth + version - 1) })
      }
      nth += unit.events
    }
    done(left.map(({ unit }) => unit))
  }

  /** On its own: the shard goes on meanwhile. */
  function answerBegun(unit: Unit, begun: Begun | Promise<Begun | undefined>): void {
    void Promise.resolve(begun)
      .then((known) => decide(unit, known))
      .catch((error: unknown) => unit.callers.forEach(({ reject }) => reject(error)))
      .finally(() => done([unit]))
  }

  async function decide(unit: Unit, begun: Begun | undefined): Promise<void> {
    if (begun !== undefined) return decideBegun(unit, begun)
    for (const { resolve } of unit.callers) resolve({ outcome: 'conflict', version: 0 })
  }

  function fail(units: readonly { readonly unit: Unit }[], error: unknown): void {
    for (const { unit } of units) for (const { reject } of unit.callers) reject(error)
    done(units.map(({ unit }) => unit))
  }

  function done(units: readonly Unit[]): void {
    queue.done(units)
    if (!preparing && queue.readySize() > 0) void prepare()
  }

  return {
    /** Something is in the queue. */
    pump: (): void => {
      if (!preparing) void prepare()
    },
  }
}

const unseen = (): StoreUnavailable => new StoreUnavailable('connection', 'the log of deliveries is longer than it is shown to be', 1)

const lost = (): StoreUnavailable => new StoreUnavailable('connection', 'the log of deliveries does not end where it was seen to end')

const streamOf = (unit: Unit) => {
  const [first] = unit.callers
  if (first === undefined) throw new Error('a unit has a caller')
  return first.append.stream
}

const nameOf = (unit: Unit): string => physicalName(streamOf(unit))

const firstId = (unit: Unit): string => unit.callers[0]?.append.events[0]?.id.toLowerCase() ?? ''

/** Characters, of which most are one byte. What turns out too large all the same is halved. */
const jsonBytes = ({ callers }: Unit): number =>
  callers.reduce((sum, { data, metadata }) => sum + data.reduce((all, text, nth) => all + text.length + (metadata[nth]?.length ?? 0) + 250, 0), 0)

function entriesOf({ unit, name, bodies }: Fresh, recordedAt: number | undefined): string[] {
  let version = 0
  return unit.callers.flatMap(({ append, data, metadata }) =>
    append.events.map(({ id, type, schemaVersion }, nth) => {
      const body = bodies[version++]
      return entryText({ stream: name, version, id, type, schemaVersion, data: data[nth] ?? '{}', meta: metadata[nth] ?? '{}', recordedAt, body })
    }),
  )
}

/** Whether it may be the first append of its stream. */
const begins = ({ expected }: Unit): boolean => expected === 0 || expected === 'any'

const bodiesOf = ({ callers }: Unit): (Body | undefined)[] => callers.flatMap(({ append }) => bodiesOfAppend(append))
