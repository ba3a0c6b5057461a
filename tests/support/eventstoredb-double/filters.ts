import type { LogRecord } from './records.ts'

/** A filter of a subscription to `$all`, as asked for: prefixes, else a regular expression, on the stream's name or the event's type. */
export type FilterWish = { on: 'stream' | 'type'; prefixes: readonly string[]; regex: string; window: number; interval: number }
export type Filter = { matches: (record: LogRecord) => boolean; checkpointEvery: number }

/** The server's search window when none is asked for. */
export const DEFAULT_WINDOW = 32

/** Throws for a regular expression that is none, as the server's handler does. Neither prefixes nor expression matches nothing. */
export function createFilter({ on, prefixes, regex, window, interval }: FilterWish): Filter {
  const subject = (record: LogRecord): string => (on === 'stream' ? record.stream : record.type)
  const expression = regex === '' ? undefined : new RegExp(regex)
  return {
    matches: (record) =>
      prefixes.length > 0 ? prefixes.some((prefix) => subject(record).startsWith(prefix)) : (expression?.test(subject(record)) ?? false),
    checkpointEvery: window * interval,
  }
}
