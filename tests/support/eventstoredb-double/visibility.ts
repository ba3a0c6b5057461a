import type { Log } from './log.ts'
import { DELETED, type LogRecord } from './records.ts'

/** The first revision that `$tb` and `$maxCount` leave. `$maxAge` counts per event. */
export function firstRevision(log: Log, name: string): number {
  const { truncateBefore, maxCount } = log.settings(name, false)
  const committed = log.stream(name)?.committed ?? 0
  return Math.max(truncateBefore, maxCount === undefined ? 0 : committed - maxCount)
}

/** Whether a read of its stream still shows it. `$all` shows it regardless until a scavenge. */
export function isVisible(log: Log, record: LogRecord, now: number): boolean {
  const { maxAgeMs } = log.settings(record.stream, false)
  if (record.revision === DELETED) return true
  return record.revision >= firstRevision(log, record.stream) && (maxAgeMs === undefined || record.created > now - maxAgeMs)
}
