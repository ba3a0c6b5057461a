import { DELETED, isMetastream, metastreamOf, noSettings, parseSettings, TOMBSTONE_TYPE, type LogRecord, type StreamSettings } from './records.ts'

/**
 * A stream as the writer and the readers know it. The writer decides on what it has accepted (`records`, the pre-index), readers see what is
 * committed (the first `committed` of them): between the two lies the window in which a repeat of an append in flight is dropped.
 */
export type Stream = {
  name: string
  records: LogRecord[]
  committed: number
  tombstone?: LogRecord
  tombstoneCommitted: boolean
  /** Id → its newest revision: what 'any' is decided by. */
  ids: Map<string, number>
}

const settingsOf = new WeakMap<LogRecord, StreamSettings>()

/** The records of all streams, accepted and committed, and the order of `$all`. Nothing is answered from here: see idempotency.ts and reading.ts. */
export function createLog(firstPosition: number) {
  const streams = new Map<string, Stream>()
  const all: LogRecord[] = []
  let acceptedEnd = firstPosition
  let committedEnd = firstPosition

  const streamFor = (name: string): Stream => {
    const known = streams.get(name)
    if (known) return known
    const stream: Stream = { name, records: [], committed: 0, tombstoneCommitted: false, ids: new Map() }
    streams.set(name, stream)
    return stream
  }
  const settingsFrom = (meta: LogRecord | undefined): StreamSettings => {
    if (!meta) return noSettings
    const settings = settingsOf.get(meta) ?? parseSettings(meta.data)
    settingsOf.set(meta, settings)
    return settings
  }

  return {
    all,
    stream: (name: string): Stream | undefined => streams.get(name),
    /** The next free offset. */
    acceptedEnd: (): number => acceptedEnd,
    /** Where `$all` ends for readers. */
    end: (): number => committedEnd,

    /** The writer took it: it counts for versions and ids from now on, and is not yet to be read. */
    accept(record: LogRecord): void {
      acceptedEnd = record.end
      const stream = streamFor(record.stream)
      if (record.type === TOMBSTONE_TYPE && record.revision === DELETED) stream.tombstone = record
      else {
        stream.records.push(record)
        stream.ids.set(record.id, record.revision)
      }
    },

    /** It is on disk: readers see it. In the order of acceptance, always. */
    commit(record: LogRecord): void {
      committedEnd = record.end
      all.push(record)
      const stream = streamFor(record.stream)
      if (stream.tombstone === record) stream.tombstoneCommitted = true
      else stream.committed += 1
    },

    /** `$maxAge`, `$maxCount`, `$tb` for the writer (`accepted`) or for readers. Streams of metadata keep their newest only. */
    settings(name: string, accepted: boolean): StreamSettings {
      if (isMetastream(name)) return { maxCount: 1, truncateBefore: 0 }
      const meta = streams.get(metastreamOf(name))
      return settingsFrom(accepted ? meta?.records.at(-1) : meta?.records[meta.committed - 1])
    },

    /** Index of the first committed record at or after a position. */
    indexAt(position: number): number {
      let [low, high] = [0, all.length]
      while (low < high) {
        const middle = (low + high) >>> 1
        if ((all[middle]?.position ?? Infinity) < position) low = middle + 1
        else high = middle
      }
      return low
    },
  }
}
export type Log = ReturnType<typeof createLog>
