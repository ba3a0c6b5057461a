import { randomUUID } from 'node:crypto'
import { judge, type Verdict } from './idempotency.ts'
import type { Log } from './log.ts'
import {
  DELETED,
  metastreamOf,
  METADATA_TYPE,
  NO_STREAM,
  sizeOf,
  TOMBSTONE_TYPE,
  type ExpectedRevision,
  type LogRecord,
  type ProposedEvent,
} from './records.ts'

/** What the caller hears. `stored` with `revision` -1 is an empty append to a stream that does not exist. */
export type AppendResult = Exclude<Verdict, { kind: 'write' } | { kind: 'dropped' } | { kind: 'repeated' }> | Stored
export type Stored = { kind: 'stored'; revision: number; position?: number }
/** An answer, or none ever: the writer dropped the repeat of an append in flight. */
export type Answer = Promise<AppendResult> | 'never'

/** Makes records durable; the answer is given after it. */
export type Persist = (records: readonly LogRecord[][]) => Promise<void>

const nothing = new Uint8Array()
const settingsJson = (truncateBefore: number): Uint8Array =>
  // Spelled by hand: JSON.stringify would round Int64.MaxValue.
  Buffer.from(`{"$tb":${truncateBefore === DELETED ? '9223372036854775807' : truncateBefore}}`)

/**
 * One writer, as in the server: verdicts are given in the order of arrival, everything accepted meanwhile goes to disk together, and only then it
 * is committed (readable, sent to subscriptions, answered). An append is whole or not there at all.
 */
export function createWriter(
  log: Log,
  { persist, now, committed }: { persist: Persist; now: () => number; committed: (records: readonly LogRecord[]) => void },
) {
  let queue: { records: LogRecord[]; done: () => void; failed: (cause: unknown) => void }[] = []
  let writing = 0
  let flushing: Promise<void> | undefined
  let paused: Promise<void> | undefined

  const flush = async (): Promise<void> => {
    while (queue.length > 0) {
      if (paused) await paused
      const batch = queue
      queue = []
      writing = batch.length
      try {
        await persist(batch.map(({ records }) => records))
      } catch (cause) {
        writing = 0
        for (const { failed } of batch) failed(cause)
        continue
      }
      writing = 0
      for (const { records, done } of batch) {
        for (const record of records) log.commit(record)
        committed(records)
        done()
      }
    }
    flushing = undefined
  }
  const write = async (records: LogRecord[]): Promise<void> =>
    new Promise((done, failed) => {
      queue.push({ records, done, failed })
      flushing ??= flush()
    })

  const accept = (stream: string, revision: number, event: ProposedEvent): LogRecord => {
    const position = log.acceptedEnd()
    const record = { ...event, stream, revision, position, end: position + sizeOf({ ...event, stream }), created: now() }
    log.accept(record)
    return record
  }
  const acceptSettings = (stream: string, truncateBefore: number): LogRecord => {
    const meta = metastreamOf(stream)
    const revision = log.stream(meta)?.records.length ?? 0
    return accept(meta, revision, {
      id: randomUUID(),
      type: METADATA_TYPE,
      contentType: 'application/json',
      metadata: nothing,
      data: settingsJson(truncateBefore),
    })
  }
  const store = async (records: LogRecord[], result: Stored): Promise<AppendResult> => {
    await write(records)
    return result
  }
  const settled = async (result: AppendResult): Promise<AppendResult> => result

  return {
    append(stream: string, expected: ExpectedRevision, events: readonly ProposedEvent[]): Answer {
      const verdict = judge(log, now(), { stream, expected, ids: events.map(({ id }) => id) })
      if (verdict.kind === 'dropped') return 'never'
      if (verdict.kind === 'repeated') return settled({ ...verdict, kind: 'stored' })
      if (verdict.kind !== 'write') return settled(verdict)
      // An empty append is a success with the current revision and a fresh position, and writes nothing anybody sees.
      if (events.length === 0) return settled({ kind: 'stored', revision: verdict.current, position: log.acceptedEnd() })
      const first = verdict.current + 1
      const revived = verdict.undelete ? [acceptSettings(stream, first)] : []
      const records = events.map((event, at) => accept(stream, first + at, event))
      return store([...revived, ...records], { kind: 'stored', revision: first + events.length - 1, position: records.at(-1)?.position ?? 0 })
    },

    /** Hides everything written so far (`$tb` at the end of time); the stream goes on counting if it is written again. */
    softDelete(stream: string, expected: ExpectedRevision): Answer {
      const verdict = judge(log, now(), { stream, expected, ids: [] })
      if (verdict.kind !== 'write') return settled(verdict.kind === 'deleted' ? verdict : { kind: 'wrong-version', current: currentOf(log, stream) })
      if (verdict.current < 0) return settled({ kind: 'wrong-version', current: NO_STREAM })
      const record = acceptSettings(stream, DELETED)
      return store([record], { kind: 'stored', revision: record.revision, position: record.position })
    },

    /** Ends a stream for good, whether it existed or not: its name is burnt. */
    tombstone(stream: string, expected: ExpectedRevision): Answer {
      const verdict = judge(log, now(), { stream, expected, ids: [] })
      if (verdict.kind !== 'write') return settled(verdict.kind === 'deleted' ? verdict : { kind: 'wrong-version', current: currentOf(log, stream) })
      const record = accept(stream, DELETED, {
        id: randomUUID(),
        type: TOMBSTONE_TYPE,
        contentType: 'application/octet-stream',
        metadata: nothing,
        data: nothing,
      })
      return store([record], { kind: 'stored', revision: DELETED, position: record.position })
    },

    /** Holds the disk: what is accepted meanwhile stays in flight. */
    pause(): () => void {
      let resume = (): void => undefined
      paused = new Promise((done) => {
        resume = done
      })
      return () => {
        paused = undefined
        resume()
      }
    },
    /** Appends accepted and not yet on disk. */
    inFlight: (): number => queue.length + writing,
    idle: async (): Promise<void> => flushing ?? Promise.resolve(),
  }
}
export type Writer = ReturnType<typeof createWriter>

const currentOf = (log: Log, stream: string): number => (log.stream(stream)?.records.length ?? 0) - 1
