import type { Filter } from './filters.ts'
import type { Log } from './log.ts'
import { DELETED, type LogRecord } from './records.ts'
import { indexAfter, isDeleted, isMissing, type AllStart, type StreamStart } from './reading.ts'
import { firstRevision, isVisible } from './visibility.ts'

/** What a subscription draws from: one scanned record per call, matching or not, none at the end of what is committed. */
export type Source = {
  next: () => { record: LogRecord; matches: boolean } | undefined
  /** Nothing is caught up with while the stream does not exist. */
  exists: () => boolean
  checkpointEvery?: number
  /** A stream's subscription ends with its tombstone; `$all` shows it like any event. */
  isLast?: (record: LogRecord) => boolean
}

export function allSource(log: Log, from: AllStart, filter: Filter | undefined): Source {
  let at = indexAfter(log, from)
  return {
    next() {
      const record = log.all[at]
      if (!record) return undefined
      at += 1
      return { record, matches: filter?.matches(record) ?? true }
    },
    exists: () => true,
    ...(filter ? { checkpointEvery: filter.checkpointEvery } : {}),
  }
}

/** A soft deletion is silent here, a tombstone is the last that comes. */
export function streamSource(log: Log, name: string, from: StreamStart, now: () => number): Source {
  const committed = (): number => log.stream(name)?.committed ?? 0
  let revision = from === 'start' ? 0 : from === 'end' ? committed() : from + 1
  let buried = false
  return {
    next() {
      const stream = log.stream(name)
      if (!stream) return undefined
      const first = firstRevision(log, name)
      revision = Math.max(revision, first === DELETED ? committed() : first)
      while (revision < committed()) {
        const record = stream.records[revision]
        revision += 1
        if (record && isVisible(log, record, now())) return { record, matches: true }
      }
      if (!isDeleted(log, name) || buried || !stream.tombstone) return undefined
      buried = true
      return { record: stream.tombstone, matches: true }
    },
    exists: () => !isMissing(log, name),
    isLast: (record) => record.revision === DELETED,
  }
}
