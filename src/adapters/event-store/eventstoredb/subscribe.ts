import { setTimeout as sleep } from 'node:timers/promises'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { Delivery, LogFilter, LogPage, LogRead, LogSubscription } from '../../../domain/kernel/event-store.ts'
import { later, type Position } from '../../../domain/kernel/position.ts'
import type { Connection } from './connection.ts'
import type { Drop } from './follow.ts'
import type { Head } from './head-of-log.ts'
import { createWeigher } from './bodies.ts'
import type { Decoded } from './decoded.ts'
import { unavailable } from './physical.ts'
import type { createPlacesInLog } from './places-in-log.ts'
import { scan, ScanBroken, type Part, type ScanOptions } from './scan.ts'
import { persistently } from '../outages.ts'
import type { Tail } from './tail.ts'

export type ReadersOptions = {
  readonly connection: Connection
  readonly tail: Tail
  readonly places: ReturnType<typeof createPlacesInLog>
  readonly readHead: () => Promise<Head>
  /** Turns what was found into events, with their attachments when they are asked for. */
  readonly fill: (found: readonly Decoded[], attachments: boolean) => Promise<readonly RecordedEvent[]>
  readonly closing: AbortSignal
  readonly onDrop: (drop: Drop) => void
}

const defaultPageSize = 1_000
/** A page with attachments ends with the one that reaches this: a thousand deliveries of 3 MB each would otherwise be one answer. */
const pageBytes = 16 * 1024 * 1024
const readPatienceMs = 4_000
const retryMs = 100

/**
 * A subscriber is BEHIND (reads for itself, with its filter on the server) ⇄ AT THE TAIL (takes from the ring of the process). It is never handed a page before
 * it has come for it.
 */
export function createReaders({ connection, tail, places, readHead, fill, closing, onDrop }: ReadersOptions): {
  readAll: (read: LogRead) => Promise<LogPage>
  subscribe: (subscription: LogSubscription) => AsyncGenerator<Delivery>
} {
  async function* subscribe({
    after,
    filter = {},
    signal: given,
    pageSize = defaultPageSize,
    attachments = false,
  }: LogSubscription): AsyncGenerator<Delivery> {
    const signal = AbortSignal.any([given, closing])
    let position = after
    let announced: Position | undefined
    try {
      await tail.join(signal)
      if (!signal.aborted) await refuseTheFuture(position, signal)
      while (!signal.aborted) {
        let page = tail.read(position, filter, pageSize)
        if (page === undefined) {
          position = yield* catchUp(position, { filter, signal, least: pageSize }, attachments)
          page = tail.read(position, filter, pageSize)
          if (page === undefined) continue
        }
        const [piece = { found: [], through: page.through }] = pieces(page.found, page.through, pageSize, attachments)
        const moved = piece.through > position
        const events = await persistently(() => fill(piece.found, attachments), signal)
        if (events === undefined) return
        position = piece.through
        const atTheTip = position >= tail.head() && tail.complete()
        if (events.length > 0 || (moved && !atTheTip)) {
          yield { kind: 'page', events, through: position }
        } else if (atTheTip && announced !== position) {
          // Also tells how far it came over events that the filter left out.
          announced = position
          yield { kind: 'caught-up', through: position }
        } else await tail.changed(position, signal)
      }
    } finally {
      tail.leave()
    }
  }

  /** Pages up to where the tail can take over. @returns how far it came */
  async function* catchUp(after: Position, options: ScanOptions, attachments: boolean): AsyncGenerator<Delivery, Position> {
    let position = after
    for await (const piece of behind(after, options, attachments)) {
      const events = await persistently(() => fill(piece.found, attachments), options.signal)
      if (events === undefined) break
      position = later(position, piece.through)
      yield { kind: 'page', events, through: position }
    }
    return position
  }

  /** Everything that matches up to the tail's ring, and beyond: until a part ends where the tail can take over. Empty parts only tell of progress. */
  async function* behind(after: Position, options: ScanOptions, attachments: boolean): AsyncGenerator<Omit<Part, 'caughtUp'>> {
    const { filter, signal } = options
    let position = after
    while (!signal.aborted && tail.read(position, filter, 1) === undefined) {
      // All that the tail had heard of when the scan began lies before the end that the scan comes to.
      const known = tail.head()
      try {
        const origin = await persistently(() => places.origin(position), signal)
        if (origin === undefined) return
        for await (const part of scan(connection, origin, options)) {
          const found = part.found.filter(({ event }) => matches(filter, event))
          const last = part.found.at(-1)?.event.position ?? position
          // Never beyond our own last event: whoever keeps a position of ours must not find it ahead of the log.
          const through = part.caughtUp ? later(last, known) : earlier(part.through, later(last, tail.head()))
          places.remember(last)
          if (found.length > 0 || through > position) yield* pieces(found, through, options.least, attachments)
          position = later(position, through)
          if (tail.read(position, filter, 1) !== undefined) return
        }
      } catch (error) {
        if (!(error instanceof ScanBroken)) throw error
        onDrop({ why: error.why, cause: error.cause })
        connection.failed()
        await sleep(retryMs, undefined, { signal, ref: false }).catch(() => undefined)
      }
    }
  }

  /** A checkpoint ahead of the log belongs to another log (or this one was restored from a backup): waiting for it to be overtaken would lose events. */
  async function refuseTheFuture(position: Position, signal: AbortSignal): Promise<void> {
    if (position <= tail.head()) return
    const head = await persistently(readHead, signal)
    if (head !== undefined && position > head.position)
      throw new RangeError(`position ${BigInt(position)} is ahead of the log, which ends at ${BigInt(head.position)}`)
  }

  async function readAll({ after, filter = {}, limit, attachments = false }: LogRead): Promise<LogPage> {
    const head = await readHead()
    if (after >= head.position || limit < 1) return { events: [], through: after }
    const since = performance.now()
    for (;;) {
      try {
        return await readOnce(after, filter, { limit, attachments, head: head.position })
      } catch (error) {
        if (!(error instanceof ScanBroken)) throw error
        if (error.why !== 'overflow') connection.failed()
        if (closing.aborted || performance.now() - since > readPatienceMs) throw unavailable(error)
        await sleep(retryMs)
      }
    }
  }

  async function readOnce(
    after: Position,
    filter: LogFilter,
    { limit, attachments, head }: { limit: number; attachments: boolean; head: Position },
  ): Promise<LogPage> {
    const inMemory = tail.head() >= head ? tail.read(after, filter, limit) : undefined
    if (inMemory !== undefined && (inMemory.found.length === limit || inMemory.through >= head))
      return first(inMemory.found, inMemory.through, { limit, attachments })
    const found: Decoded[] = []
    const done = new AbortController()
    try {
      for await (const part of scan(connection, await places.origin(after), {
        filter,
        signal: AbortSignal.any([closing, done.signal]),
        least: limit,
      })) {
        const last = part.found.at(-1)?.event.position
        if (last !== undefined) places.remember(last)
        for (const one of part.found) if (matches(filter, one.event)) found.push(one)
        if (found.length >= limit || part.caughtUp || part.through >= head) {
          return await first(found, later(last ?? head, head), { limit, attachments })
        }
      }
    } finally {
      done.abort()
    }
    throw unavailable(new Error('the event store is closed'))
  }

  /** As many as were asked for and as weigh no more than a page. */
  async function first(
    found: readonly Decoded[],
    through: Position,
    { limit, attachments }: { limit: number; attachments: boolean },
  ): Promise<LogPage> {
    const [piece = { found: [], through }] = pieces(found, through, limit, attachments)
    return { events: await fill(piece.found, attachments), through: piece.through }
  }

  return { readAll, subscribe }
}

const matches = ({ tenantId, types }: LogFilter, event: RecordedEvent): boolean =>
  (tenantId === undefined || event.stream.tenantId === tenantId) && (types === undefined || types.includes(event.type))

const earlier = (a: Position, b: Position): Position => (a < b ? a : b)

/** In pages of at most `limit` events and, where their attachments come with them, `pageBytes`; the last one reaches `through`. */
function pieces(
  found: readonly Decoded[],
  through: Position,
  limit: number,
  attachments: boolean,
): { found: readonly Decoded[]; through: Position }[] {
  const made: { found: readonly Decoded[]; through: Position }[] = []
  let piece: Decoded[] = []
  let weigh = createWeigher()
  let weight = 0
  for (const [at, one] of found.entries()) {
    piece.push(one)
    if (attachments) weight += weigh(one.body)
    if (at === found.length - 1 || (piece.length < limit && weight < pageBytes)) continue
    made.push({ found: piece, through: one.event.position })
    piece = []
    weight = 0
    weigh = createWeigher()
  }
  // A page that is full ends with its last event, as if more could follow: how far was looked beyond it is told by the next.
  if (piece.length > 0 || made.length === 0)
    made.push({ found: piece, through: piece.length >= limit ? (piece.at(-1)?.event.position ?? through) : through })
  return made
}
