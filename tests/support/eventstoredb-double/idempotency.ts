import type { Log, Stream } from './log.ts'
import { ANY, DELETED, metastreamOf, NO_STREAM, STREAM_EXISTS, type ExpectedRevision } from './records.ts'
import { isVisible } from './visibility.ts'

/** What the writer makes of an append. `current` is the last revision accepted, -1 for none. */
export type Verdict =
  | { kind: 'write'; current: number; undelete: boolean }
  /** Stored before: the original result. The position is missing when that event cannot be read any more (soft deleted, truncated). */
  | { kind: 'repeated'; revision: number; position?: number }
  /** Stored by an append that is still in flight: the writer drops the repeat without a word, its caller times out. */
  | { kind: 'dropped' }
  | { kind: 'wrong-version'; current: number }
  | { kind: 'deleted' }

type Asked = { stream: string; expected: ExpectedRevision; ids: readonly string[] }
type Known = { log: Log; now: number; stream: Stream | undefined; current: number; softDeleted: boolean }

/**
 * The rules by which the server recognises what it has already: an exact revision looks at the ids that stand right after it, 'any' and
 * 'stream_exists' at the first id only; the current revision is never a repeat, so the same events are written again there.
 */
export function judge(log: Log, now: number, asked: Asked): Verdict {
  const stream = log.stream(asked.stream)
  if (stream?.tombstone) return { kind: 'deleted' }
  const current = (stream?.records.length ?? 0) - 1
  const softDeleted = log.settings(asked.stream, true).truncateBefore === DELETED
  const known = { log, now, stream, current, softDeleted }
  if (asked.expected === STREAM_EXISTS) {
    if (softDeleted) return { kind: 'deleted' }
    const described = (log.stream(metastreamOf(asked.stream))?.records.length ?? 0) > 0
    if (current < 0 && !described) return { kind: 'wrong-version', current }
  }
  return asked.expected === ANY || asked.expected === STREAM_EXISTS ? judgeAny(known, asked) : judgeExact(known, asked)
}

function judgeAny(known: Known, { ids }: Asked): Verdict {
  const { current, softDeleted } = known
  const revisions = ids.map((id) => known.stream?.ids.get(id))
  const last = revisions.at(-1)
  if (revisions[0] === undefined) return { kind: 'write', current, undelete: softDeleted }
  // The first is known and a later one is not: neither a repeat nor new. The server calls it a wrong version of 'any'.
  return last === undefined || revisions.includes(undefined) ? { kind: 'wrong-version', current } : repeated(known, last)
}

function judgeExact(known: Known, { expected, ids }: Asked): Verdict {
  const { current, softDeleted, stream } = known
  if (expected === current) return { kind: 'write', current, undelete: softDeleted }
  if (expected > current) return { kind: 'wrong-version', current }
  const strange = ids.findIndex((id, at) => stream?.records[expected + 1 + at]?.id !== id)
  if (strange === -1 && ids.length > 0) return repeated(known, expected + ids.length)
  return strange === 0 && expected === NO_STREAM && softDeleted ? { kind: 'write', current, undelete: true } : { kind: 'wrong-version', current }
}

function repeated({ log, now, stream }: Known, revision: number): Verdict {
  const record = stream?.records[revision]
  if (!stream || !record || revision >= stream.committed) return { kind: 'dropped' }
  return { kind: 'repeated', revision, ...(isVisible(log, record, now) ? { position: record.position } : {}) }
}
