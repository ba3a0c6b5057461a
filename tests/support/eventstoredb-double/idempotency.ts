import type { Log } from './log.ts'
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

/**
 * The rules by which the server recognises what it has already: an exact revision looks at the ids that stand right after it, 'any' and
 * 'stream_exists' at the first id only; the current revision is never a repeat, so the same events are written again there.
 */
export function judge(log: Log, now: number, append: { stream: string; expected: ExpectedRevision; ids: readonly string[] }): Verdict {
  const { stream: name, expected, ids } = append
  const stream = log.stream(name)
  if (stream?.tombstone) return { kind: 'deleted' }
  const current = (stream?.records.length ?? 0) - 1
  const softDeleted = log.settings(name, true).truncateBefore === DELETED
  const wrong: Verdict = { kind: 'wrong-version', current }
  const repeated = (revision: number): Verdict => {
    const record = stream?.records[revision]
    if (!stream || !record || revision >= stream.committed) return { kind: 'dropped' }
    return { kind: 'repeated', revision, ...(isVisible(log, record, now) ? { position: record.position } : {}) }
  }

  if (expected === STREAM_EXISTS) {
    if (softDeleted) return { kind: 'deleted' }
    if (current < 0 && !log.stream(metastreamOf(name))?.records.length) return wrong
  }
  if (expected === ANY || expected === STREAM_EXISTS) {
    const revisions = ids.map((id) => stream?.ids.get(id))
    const last = revisions.at(-1)
    if (revisions[0] === undefined) return { kind: 'write', current, undelete: softDeleted }
    // The first is known and a later one is not: neither a repeat nor new. The server calls it a wrong version of 'any'.
    if (last === undefined || revisions.includes(undefined)) return wrong
    return repeated(last)
  }
  if (expected < current) {
    const known = ids.findIndex((id, at) => stream?.records[expected + 1 + at]?.id !== id)
    if (known === -1 && ids.length > 0) return repeated(expected + ids.length)
    return known === 0 && expected === NO_STREAM && softDeleted ? { kind: 'write', current, undelete: true } : wrong
  }
  return expected > current ? wrong : { kind: 'write', current, undelete: softDeleted }
}
