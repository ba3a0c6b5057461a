import { setTimeout as sleep } from 'node:timers/promises'
import type { AllStreamResolvedEvent, AppendExpectedRevision, EventData, ResolvedEvent, StreamingRead } from '@eventstore/db-client'
import { StoreUnavailable } from '../../../domain/kernel/event-store.ts'
import type { Connection } from './connection.ts'
import { drain } from './drain.ts'
import { AccessDenied, AppendTooLarge, failureOf, StreamClosed } from './failure.ts'

/** What the stream is expected to be: its last revision, counted from 0, or in words. */
export type Revision = AppendExpectedRevision

/** `position` is that of the last event of the append, `revision` its place in the stream. `actual`: the stream's last revision, undefined for none. */
export type Stored =
  | { readonly stored: true; readonly revision: bigint; readonly position: bigint }
  | { readonly stored: false; readonly actual: bigint | undefined }

export type StreamRead = { readonly from?: bigint | 'start' | 'end'; readonly backwards?: boolean; readonly limit: number }

/** The server as it is: streams by name, revisions from 0, positions in bytes. Nothing here knows tenants or versions. */
export type Physical = {
  /**
   * Durable when it resolves. An unknown outcome is tried again with the same ids and the same revision, which the server recognises.
   * @throws StoreUnavailable when it stays unknown, AppendTooLarge, StreamClosed
   */
  readonly append: (streamName: string, events: readonly EventData[], expected: Revision) => Promise<Stored>
  /** In the order of the read; none when the stream is missing, emptied or closed. */
  readonly readStream: (streamName: string, read: StreamRead) => Promise<ResolvedEvent[]>
  /** The event that stands exactly there. */
  readonly readAt: (position: bigint) => Promise<AllStreamResolvedEvent | undefined>
  /** Backwards through the log, as long as `take` wants more, or for `limit` events. */
  readonly backwards: (take: (resolved: AllStreamResolvedEvent) => boolean, limit?: number) => Promise<void>
  /** Whether a record begins there. */
  readonly isPlace: (position: { commit: bigint; prepare: bigint }) => Promise<boolean>
  /** Its name takes nothing any more, for ever. */
  readonly tombstone: (streamName: string) => Promise<void>
  /** Replaces what the stream's metadata says. */
  readonly setMetadata: (streamName: string, metadata: { readonly maxAge?: number }) => Promise<void>
  /** @throws the reason while the server is known to be away: nobody needs to wait for that again. */
  readonly refuseWhileDown: () => void
  readonly limits: { maxAppendBytes: number }
  readonly closing: AbortSignal
}

/** Longer than the 2 to 2.6 s after which the server gives up on an append it has stored, but did not recognise as a repeat yet. */
const deadlineMs = 3_000
/** The client may hang before there is a call that a deadline could end (looking for a node, a new channel). */
const ownDeadlineMs = 3_500
/** How long an append may stay unknown before its caller hears that nobody knows: room for a repeat that times out because the first is not indexed yet. */
const patienceMs = 8_000
/** A process that was starved of its processor has seen deadlines pass without a word to the server. */
const fewestTries = 2
const readPatienceMs = 8_000
/** Reads of streams under way at once: more of them only share the same processor, and each would seem to have fallen silent. */
const readLanes = 32
const probeEveryMs = 500
const defaultMaxAppendBytes = 1024 * 1024

/**
 * UP → DOWN (an append stayed unknown for `patienceMs`, and nothing else was answered meanwhile) → UP when a probe is answered. While DOWN appends are refused at once.
 * Classic appends only: each call carries credentials, see connection.ts.
 */
export function createPhysical({ connection, closing }: { connection: Connection; closing: AbortSignal }): Physical {
  const { naming } = connection
  const limits = { maxAppendBytes: defaultMaxAppendBytes }
  let down: StoreUnavailable | undefined
  const options = () => ({ credentials: connection.credentials, requiresLeader: true })

  let workedAt = 0
  const worked = (): void => {
    workedAt = performance.now()
    connection.worked()
  }
  const nothingWorkedSince = (moment: number): boolean => workedAt < moment

  function goDown(cause: unknown): StoreUnavailable {
    const refusal = unavailable(cause)
    if (down === undefined) {
      down = refusal
      void probe()
    }
    return refusal
  }

  async function probe(): Promise<void> {
    while (down !== undefined && !closing.aborted) {
      await sleep(probeEveryMs, undefined, { ref: false })
      try {
        await drain(
          () => connection.client().readAll({ ...options(), direction: 'backwards', fromPosition: 'end', maxCount: 1 }),
          () => false,
          { quietMs: 2_000 },
        )
        worked()
        down = undefined
      } catch {
        connection.failed()
      }
    }
  }

  async function attempt<T>(call: () => Promise<T>): Promise<T> {
    const late = new AbortController()
    const timeout = sleep(ownDeadlineMs, undefined, { signal: late.signal }).then(() => {
      throw Object.assign(new Error(`no answer within ${ownDeadlineMs} ms`), { code: 4 })
    })
    timeout.catch(() => undefined)
    const answer = call()
    answer.catch(() => undefined)
    try {
      return await Promise.race([answer, timeout])
    } finally {
      late.abort()
    }
  }

  /**
   * A read whose client is thrown away meanwhile ends as if there were nothing more, for the client swallows its own cancellations: half of a stream must not
   * be taken for all of it.
   */
  async function drained<T>(open: () => StreamingRead<T>, take: (one: T) => boolean, options: Parameters<typeof drain>[2]): Promise<void> {
    const life = connection.life()
    let enough = false
    await drain(
      open,
      (one) => {
        enough = !take(one)
        return !enough
      },
      options,
    )
    if (life.aborted && !enough) throw Object.assign(new Error('the client was replaced during a read'), { code: 14 })
  }

  async function persistently<T>(call: () => Promise<T>, streamName: string): Promise<T | { conflict: bigint | undefined }> {
    const since = performance.now()
    for (let tries = 0; ; tries++) {
      try {
        const answer = await attempt(call)
        worked()
        return answer
      } catch (error) {
        const failure = failureOf(error)
        switch (failure.kind) {
          case 'conflict':
            worked()
            return { conflict: failure.actual }
          case 'too-large':
            // A node that was started with less than the one we asked.
            limits.maxAppendBytes = Math.min(limits.maxAppendBytes, failure.limit)
            throw new AppendTooLarge(failure.limit)
          case 'closed':
            throw new StreamClosed(`the stream ${streamName} is closed for ever`)
          case 'denied':
            throw new AccessDenied(error)
          case 'refused':
          case 'missing':
          case 'illegal-position':
            throw error
          case 'again':
            connection.failed()
            if (down !== undefined) throw down
            if (tries >= fewestTries && performance.now() - since > patienceMs) throw nothingWorkedSince(since) ? goDown(error) : unavailable(error)
            break
          default:
            failure satisfies never
        }
      }
      await sleep(Math.min(500, 20 * 2 ** tries) * (0.5 + Math.random() / 2))
    }
  }

  /** What was asked for is whole when it resolves; nothing of a broken attempt is kept. */
  async function reading<T>(read: () => Promise<T>, given: T): Promise<T> {
    const since = performance.now()
    for (let tries = 0; ; tries++) {
      try {
        const found = await read()
        worked()
        return found
      } catch (error) {
        const { kind } = failureOf(error)
        if (kind === 'missing' || kind === 'closed') return given
        if (kind === 'denied') throw new AccessDenied(error)
        if (kind !== 'again') throw error
        connection.failed()
        if (closing.aborted || down !== undefined || performance.now() - since > readPatienceMs) throw unavailable(error)
      }
      await sleep(Math.min(500, 20 * 2 ** tries) * (0.5 + Math.random() / 2))
    }
  }

  let reads = 0
  const waiting: (() => void)[] = []
  async function inLane(read: () => Promise<ResolvedEvent[]>): Promise<ResolvedEvent[]> {
    if (reads < readLanes) reads++
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await reading(read, [])
    } finally {
      const next = waiting.shift()
      if (next === undefined) reads--
      else next()
    }
  }

  return {
    limits,
    closing,
    refuseWhileDown() {
      if (down !== undefined) throw down
    },
    async append(streamName, events, expected) {
      // An empty one would report a revision of a stream that is not there.
      if (events.length === 0) throw new TypeError('an append has at least one event')
      const answer = await persistently(
        () =>
          connection
            .client()
            .appendToStream(naming.there(streamName), [...events], { ...options(), expectedRevision: expected, deadline: deadlineMs }),
        streamName,
      )
      if ('conflict' in answer) return { stored: false, actual: answer.conflict }
      // Without a position nothing was written: the ids are those of a stream that somebody has deleted softly.
      if (answer.position === undefined) throw new StreamClosed(`the stream ${streamName} was deleted`)
      return { stored: true, revision: answer.nextExpectedRevision, position: answer.position.commit }
    },
    readStream(streamName, { from = 'start', backwards = false, limit }) {
      // The server has an error for 0 where a list is expected.
      if (limit < 1) return Promise.resolve([])
      return inLane(async () => {
        const found: ResolvedEvent[] = []
        const direction = backwards ? 'backwards' : 'forwards'
        await drained(
          () => connection.client().readStream(naming.there(streamName), { ...options(), fromRevision: from, direction, maxCount: limit }),
          (resolved) => found.push(naming.here(resolved)) < limit,
          { signal: closing },
        )
        return found
      })
    },
    readAt(position) {
      return reading(async () => {
        const at = { commit: position, prepare: position }
        let found: AllStreamResolvedEvent | undefined
        await drained(
          () => connection.client().readAll({ ...options(), fromPosition: at, maxCount: 1 }),
          (resolved) => {
            const own = naming.here(resolved)
            if (own.event?.position.commit === position) found = own
            return false
          },
          { signal: closing },
        )
        return found
      }, undefined)
    },
    backwards: (take, limit) =>
      reading(
        () =>
          drained(
            () =>
              connection
                .client()
                .readAll({ ...options(), direction: 'backwards', fromPosition: 'end', ...(limit === undefined ? {} : { maxCount: limit }) }),
            (resolved) => take(naming.here(resolved)),
            { signal: closing },
          ),
        undefined,
      ),
    isPlace: (position) =>
      reading(async () => {
        try {
          await drained(
            () => connection.client().readAll({ ...options(), fromPosition: position, maxCount: 1 }),
            () => false,
            { signal: closing },
          )
          return true
        } catch (error) {
          const { kind } = failureOf(error)
          if (kind === 'illegal-position' || kind === 'refused') return false
          throw error
        }
      }, false),
    async setMetadata(streamName, metadata) {
      await persistently(
        () =>
          connection.client().setStreamMetadata(naming.there(streamName), metadata, { ...options(), expectedRevision: 'any', deadline: deadlineMs }),
        streamName,
      )
    },
    async tombstone(streamName) {
      try {
        await persistently(
          () => connection.client().tombstoneStream(naming.there(streamName), { ...options(), expectedRevision: 'any', deadline: deadlineMs }),
          streamName,
        )
      } catch (error) {
        if (!(error instanceof StreamClosed)) throw error
      }
    },
  }
}

export const unavailable = (cause: unknown): StoreUnavailable =>
  cause instanceof StoreUnavailable
    ? cause
    : new StoreUnavailable('connection', 'the event store cannot be reached', 2, cause instanceof Error ? { cause } : {})
