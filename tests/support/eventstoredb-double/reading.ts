import type { Log } from './log.ts'
import { DELETED, FIRST_POSITION, isMetastream, type LogRecord } from './records.ts'
import { firstRevision, isVisible } from './visibility.ts'

export type StreamStart = 'start' | 'end' | number
export type Place = { commit: number; prepare: number }
export type AllStart = 'start' | 'end' | Place
export type StreamRead = { stream: string; from: StreamStart; count: number; backwards: boolean }
export type AllRead = { from: AllStart; count: number; backwards: boolean }

/** A tombstone burns the stream of its metadata too, for readers. */
export function isDeleted(log: Log, stream: string): boolean {
  return [stream, ...(isMetastream(stream) ? [stream.slice(2)] : [])].some((name) => log.stream(name)?.tombstoneCommitted)
}

/** Missing, soft deleted and nothing but metadata look the same to a reader; a stream cut to nothing exists and is empty. */
export function isMissing(log: Log, stream: string): boolean {
  return !log.stream(stream)?.committed || log.settings(stream, false).truncateBefore === DELETED
}

export function readStream(log: Log, now: number, read: StreamRead): 'missing' | 'deleted' | LogRecord[] {
  if (isDeleted(log, read.stream)) return 'deleted'
  const stream = log.stream(read.stream)
  if (!stream || isMissing(log, read.stream)) return 'missing'
  const last = stream.committed - 1
  const first = firstRevision(log, read.stream)
  const found: LogRecord[] = []
  const step = read.backwards ? -1 : 1
  const [asked, nearest] = read.backwards
    ? [read.from === 'end' ? last : read.from === 'start' ? 0 : read.from, last]
    : [read.from === 'start' ? 0 : read.from === 'end' ? last + 1 : read.from, first]
  for (let at = read.backwards ? Math.min(asked, nearest) : Math.max(asked, nearest); at >= first && at <= last; at += step) {
    const record = stream.records[at]
    if (!record || found.length >= read.count) break
    if (isVisible(log, record, now)) found.push(record)
  }
  return found
}

/**
 * A place is legal when a record begins there, at the very start or at the end of the log; a checkpoint's {commit, prepare: 0} too. A place between
 * two records is none ('bad'), one whose prepare is behind its commit breaks the handler ('broken'), beyond the end there is nothing.
 */
export function judgePlace(log: Log, { commit, prepare }: Place): 'good' | 'bad' | 'broken' {
  if (prepare > commit) return 'broken'
  if (commit >= log.end() || commit === 0) return 'good'
  return commit >= FIRST_POSITION && log.all[log.indexAt(commit)]?.position === commit ? 'good' : 'bad'
}

/** Index of the first record that a subscription from there delivers: exclusive, by (commit, prepare). */
export function indexAfter(log: Log, from: AllStart): number {
  if (from === 'start') return 0
  if (from === 'end') return log.all.length
  const at = log.indexAt(from.commit)
  return log.all[at]?.position === from.commit && from.prepare >= from.commit ? at + 1 : at
}

/** Forwards inclusive, backwards exclusive. */
export function* readAll(log: Log, read: AllRead): Generator<LogRecord> {
  const { from, backwards } = read
  const edge = from === 'start' ? 0 : from === 'end' ? log.all.length : log.indexAt(from.commit)
  const end = log.all.length
  for (let taken = 0; taken < read.count; taken += 1) {
    const at = backwards ? edge - 1 - taken : edge + taken
    const record = at >= end ? undefined : log.all[at]
    if (!record) return
    yield record
  }
}
